"""The schedule is known before the first request is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.plan import Stage, Workload, WrongPlanError, sizes_of, stages_of


def workload(stages: str = "10x10", **more: float) -> Workload:
    return Workload(
        stages=stages_of(stages, 10, 10),
        resources=int(more.pop("resources", 2)),
        sizes=sizes_of("1kB:3,1MB:1"),
        **more,  # type: ignore[arg-type]  # numbers of the fields that are numbers
    )


def test_a_level_stage_is_evenly_spaced() -> None:
    instants = list(workload("4x1").instants())
    assert instants == pytest.approx([0, 0.25, 0.5, 0.75])


def test_a_ramp_is_dense_at_its_end() -> None:
    instants = list(workload("0-10x10").instants())
    assert len(instants) == 50
    assert sum(at_s < 5 for at_s in instants) == 13  # a quarter of them in the first half
    assert instants == sorted(instants)


STAGES = st.builds(
    Stage,
    seconds=st.floats(0.5, 20),
    begin=st.floats(1, 50),
    end=st.floats(1, 50),
)


@given(st.lists(STAGES, min_size=1, max_size=4))
def test_stages_follow_one_another_and_lose_nothing(stages: list[Stage]) -> None:
    load = Workload(stages=stages, resources=1, sizes=[(1, 1)])
    instants = list(load.instants())
    assert instants == sorted(instants)
    assert -1e-6 <= len(instants) - sum(stage.count for stage in stages) < 1.001
    assert instants[0] == 0
    assert instants[-1] <= load.seconds


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        pytest.param("", [(10, 10, 10)], id="RATE and DURATION"),
        pytest.param("ramp", [(8, 0, 10), (2, 10, 10)], id="ramp"),
        pytest.param("spike", [(4, 10, 10), (1, 50, 50), (5, 10, 10)], id="spike"),
        pytest.param("soak", [(10, 10, 10)], id="soak"),
        pytest.param("5x30s, 5-20x60", [(30, 5, 5), (60, 5, 20)], id="written out"),
    ],
)
def test_stages_are_read(text: str, stages: list[tuple[float, float, float]]) -> None:
    found = stages_of(text, 10, 10)
    assert [(each.seconds, each.begin, each.end) for each in found] == stages


@pytest.mark.parametrize("text", ["5", "x", "5x0", "0x5", "a-bxc", "5x3,"])
def test_wrong_stages_are_refused(text: str) -> None:
    with pytest.raises(WrongPlanError, match="STAGES"):
        stages_of(text, 10, 10)


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(WrongPlanError, match="RATE=0"):
        stages_of("", 0, 10)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        pytest.param("20kB", [(20_000, 1)], id="one"),
        pytest.param("1.5MiB", [(1_572_864, 1)], id="binary"),
        pytest.param("100", [(100, 1)], id="bytes"),
        pytest.param("1kB:70, 5MB:30", [(1000, 70), (5_000_000, 30)], id="mix"),
    ],
)
def test_sizes_are_read(text: str, sizes: list[tuple[int, float]]) -> None:
    assert sizes_of(text) == sizes


@pytest.mark.parametrize("text", ["", "big", "5GB", "1kB:many", "-1"])
def test_wrong_sizes_are_refused(text: str) -> None:
    with pytest.raises(WrongPlanError, match="SIZE"):
        sizes_of(text)


def test_orders_repeat_with_their_seed() -> None:
    load = workload(proxied=0.5, errors=0.2)
    assert list(load.orders()) == list(load.orders())
    assert list(load.orders()) != list(workload(proxied=0.5, errors=0.2, seed=2).orders())


def test_shares_are_kept() -> None:
    orders = list(workload("100x10", proxied=0.3, errors=0.1, resources=5).orders())
    wanted = [each for order in orders for each in order.wanted]
    assert sum(order.is_proxied for order in orders) / 1000 == pytest.approx(0.3, abs=0.05)
    assert sum(bool(each.fault) for each in wanted) / 5000 == pytest.approx(0.1, abs=0.02)
    assert sum(each.size == 1000 for each in wanted) / 5000 == pytest.approx(0.75, abs=0.03)
    assert {each.fault for each in wanted} == {0, 404, 503}


def test_without_shares_nothing_is_proxied_or_wrong() -> None:
    orders = list(workload().orders())
    assert not any(order.is_proxied or each.fault for order in orders for each in order.wanted)


def test_totals_of_a_workload() -> None:
    load = workload("10x10,10-40x5")
    assert (load.seconds, load.peak_rate, load.mean_size) == (15, 40, 250_750)
