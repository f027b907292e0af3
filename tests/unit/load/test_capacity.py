"""The search for the highest rate that lasts."""

from dataclasses import replace

import pytest

from tests.fakes.load_api import FakeLoadApi
from tests.fakes.virtual_loop import run_virtually
from tests.load.capacity import (
    MOST_STEPS,
    Step,
    best_of,
    conclusion,
    exhausted,
    limit_of,
    search,
    step_of,
)
from tests.load.meters import Sample
from tests.load.plan import Workload, sizes_of, stages_of
from tests.load.upstream import Ceiling
from tests.unit.load.conftest import LoadRun


def steps_below(capacity: float, first: float) -> list[Step]:
    async def attempt(rate: float) -> Step:
        return Step(rate=rate, is_sustained=rate <= capacity, why="" if rate <= capacity else "no")

    return run_virtually(search(first, attempt))


@pytest.mark.parametrize(
    ("capacity", "first"),
    [pytest.param(137, 10, id="begun below"), pytest.param(137, 1000, id="begun above")],
)
def test_the_rate_is_found_within_a_tenth(capacity: float, first: float) -> None:
    steps = steps_below(capacity, first)
    best, limit = best_of(steps), limit_of(steps)
    assert best is not None
    assert limit is not None
    assert best.rate <= capacity < limit.rate <= best.rate * 1.1


def test_a_service_without_limit_ends_the_search() -> None:
    steps = steps_below(1e12, 1)
    assert len(steps) == MOST_STEPS
    assert "No limit was found" in conclusion(steps, 5)[1]


def test_a_service_that_carries_nothing_ends_the_search() -> None:
    steps = steps_below(0, 10)
    assert best_of(steps) is None
    assert conclusion(steps, 5)[0] == "No rate was sustained."


def step(rate: float, *, per_s: float, ceiling: float = 1e6) -> Step:
    """Run one step against workers that end `per_s` resources a second."""
    run = LoadRun(api=FakeLoadApi(), ceiling=Ceiling(requests_per_s=ceiling, bytes_per_s=1e9))
    run.workload = Workload(stages=stages_of("", rate, 10), resources=2, sizes=sizes_of("1kB"))
    run.senses.per_s = per_s
    return step_of(rate, run.result(run.course()), workers=2)


def test_a_rate_that_the_workers_carry_is_sustained() -> None:
    found = step(45, per_s=100)
    assert (found.is_sustained, found.why) == (True, "")
    assert found.ended_per_s == pytest.approx(90, abs=2)


def test_a_rate_above_it_lets_the_backlog_grow() -> None:
    found = step(80, per_s=100)
    assert not found.is_sustained
    assert "the backlog grew by" in found.why
    assert found.ended_per_s == pytest.approx(100, abs=2)


def test_one_manifest_on_its_way_is_no_backlog() -> None:
    assert step(0.5, per_s=100).is_sustained


def test_a_step_that_was_disturbed_is_tried_again() -> None:
    tried: list[float] = []

    async def attempt(rate: float) -> Step:
        tried.append(rate)
        is_disturbed = len(tried) in {1, 4}
        return Step(
            rate=rate, is_sustained=not is_disturbed and rate <= 15, is_invalid=is_disturbed
        )

    best = best_of(run_virtually(search(10, attempt)))
    assert tried[:5] == [10, 10, 20, 15, 15]
    assert best is not None
    assert best.rate == 15


def test_a_limit_that_is_not_the_service_is_found_and_called_invalid() -> None:
    found = step(45, per_s=100, ceiling=50)
    assert (found.is_sustained, found.is_invalid) == (False, True)
    assert found.why.startswith("the upstream was the limit")

    async def attempt(rate: float) -> Step:
        is_good = rate <= 30
        return replace(found, rate=rate, is_sustained=is_good, is_invalid=not is_good)

    steps = run_virtually(search(10, attempt))
    best = best_of(steps)
    assert best is not None
    assert 27 < best.rate <= 30
    assert conclusion(steps, 2)[-1].startswith("INVALID")


SAMPLE = Sample(
    at_s=1, sent=1, accepted=1, open=0, backlog=0, lag=0, reports_lag=0, accept_p50_ms=1,
    accept_p99_ms=1, sent_per_s=1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("sample", "named"),
    [
        pytest.param(replace(SAMPLE, api_cpu=0.95), "the API's core (0.95)", id="api"),
        pytest.param(
            replace(SAMPLE, worker_cpu=1.8), "the workers' cores (1.80 of 2)", id="workers"
        ),
        pytest.param(replace(SAMPLE, store_cpu=0.97), "the store (0.97 cores)", id="store"),
        pytest.param(replace(SAMPLE, broker_cpu=1.2), "the broker (1.20 cores)", id="broker"),
        pytest.param(replace(SAMPLE, cpu_pressure=90), "the machine's CPUs (tasks", id="machine"),
        pytest.param(replace(SAMPLE, api_cpu=0.5, worker_cpu=0.9), "", id="none of them"),
    ],
)
def test_what_ran_out_is_named(sample: Sample, named: str) -> None:
    found = exhausted([sample] * 3, 2, 60)
    assert found.startswith(named)
    assert bool(found) == bool(named)


def test_the_conclusion_names_rate_limit_and_resource() -> None:
    best = Step(rate=40, is_sustained=True, accept_p99_ms=25)
    limit = Step(rate=44, is_sustained=False, why="the backlog grew by 300 tasks")
    lines = conclusion([best, replace(limit, exhausted="the workers' cores")], 5)
    assert "40.0 manifests/s, 200 resources/s" in lines[0]
    assert "the backlog grew" in lines[1]
    assert lines[2] == "What ran out first: the workers' cores."
    assert "no CPU that is measured" in conclusion([best, limit], 5)[2]
