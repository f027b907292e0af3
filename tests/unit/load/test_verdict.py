"""Faults that are planted into a run, each with the verdict it has to give."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.load.surroundings import Use
from tests.load.upstream import Ceiling
from tests.load.verdict import Account, Limits, Verdict, WrongLimitsError
from tests.unit.load.conftest import LoadRun


def test_a_healthy_run_passes(run: LoadRun) -> None:
    judgement = run.judgement()
    assert (judgement.verdict, judgement.reasons) == (Verdict.PASS, [])


def slow_generator(run: LoadRun) -> None:
    """30 ms of work for each manifest, where 20 ms are planned."""
    run.api.work_s = 0.03


def saturated_upstream(run: LoadRun) -> None:
    """100 requests a second are planned."""
    run.ceiling = Ceiling(requests_per_s=110, bytes_per_s=1e9)


def slow_upstream(run: LoadRun) -> None:
    run.senses.upstream_s = 0.4


def dead_upstream(run: LoadRun) -> None:
    run.senses.upstream_s = None


def hog_on_the_machine(run: LoadRun) -> None:
    run.senses.cpu_pressure = 93.0


def hog_in_the_generator(run: LoadRun) -> None:
    run.senses.own_cores = 0.95


def saturated_proxies(run: LoadRun) -> None:
    run.senses.uses = {"proxies": Use(cpu=0.97, rss_bytes=1), "store": Use(cpu=1.9, rss_bytes=1)}


@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        pytest.param(slow_generator, "the generator was late", id="slow generator"),
        pytest.param(saturated_upstream, "the upstream was the limit: 100", id="saturated"),
        pytest.param(slow_upstream, "the upstream was slow: 400 ms", id="slow upstream"),
        pytest.param(dead_upstream, "the upstream never answered", id="dead upstream"),
        pytest.param(saturated_proxies, "proxies and relays needed 0.97", id="saturated proxies"),
        pytest.param(hog_on_the_machine, "waited for cpu 93 %", id="CPU hog"),
        pytest.param(hog_in_the_generator, "needed 0.95 cores", id="busy generator"),
    ],
)
def test_numbers_that_say_nothing_are_invalid(
    run: LoadRun, plant: Callable[[LoadRun], None], reason: str
) -> None:
    plant(run)
    judgement = run.judgement()
    assert judgement.verdict is Verdict.INVALID
    assert any(reason in each for each in judgement.invalid), judgement.invalid


def test_a_stall_of_the_service_is_its_failure(run: LoadRun) -> None:
    """One second of ten: the generator stays in time, and p99 is beyond what is promised."""
    run.api.stall = (3, 4)
    evidence = run.evidence()
    assert evidence.tally.late == 0
    assert evidence.tally.latencies.accept.percentile(99) > 0.85
    judgement = run.judgement()
    assert (judgement.verdict, judgement.invalid) == (Verdict.FAIL, [])
    assert "accept p99" in judgement.missed[0]


def test_refusals_are_a_failure(run: LoadRun) -> None:
    run.api.problems = ["503 QUEUE_UNAVAILABLE"] * 5
    judgement = run.judgement()
    assert judgement.verdict is Verdict.FAIL
    assert judgement.missed == ["share of manifests not accepted: 0.01, promised 0.001"]


def test_lost_resources_outweigh_bad_numbers(run: LoadRun) -> None:
    run.account = Account(breaches=["job j: 2 accepted, but 1 stored + 0 failed"])
    hog_on_the_machine(run)
    judgement = run.judgement()
    assert judgement.verdict is Verdict.FAIL
    assert judgement.reasons[0].startswith("job j")


def test_bad_numbers_outweigh_broken_promises(run: LoadRun) -> None:
    run.api.stall = (3, 4)
    hog_on_the_machine(run)
    assert run.judgement().verdict is Verdict.INVALID


def test_an_unexpected_end_is_a_failure(run: LoadRun) -> None:
    run.account = Account(unexpected=1)
    assert run.judgement().verdict is Verdict.FAIL


def test_exit_codes() -> None:
    assert {each: each.exit_code for each in Verdict} == {"PASS": 0, "FAIL": 1, "INVALID": 3}


def test_limits_that_are_absent_are_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "slo.toml"
    path.write_text("[slo]\naccept_p99_ms = 5\n[valid]\nlate_ms = 20\n")
    limits = Limits.read(path)
    assert (limits.slo.accept_p99_ms, limits.slo.accept_p50_ms) == (5, None)
    assert (limits.valid.late_ms, limits.valid.cpu_pressure) == (20, 60)


def test_defaults_of_validity_are_those_that_are_shipped() -> None:
    assert Limits.read().valid == type(Limits.read().valid)()


@pytest.mark.parametrize("text", ["[slo]\naccept_p98_ms = 1", "[other]\n", "no toml"])
def test_wrong_limits_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "slo.toml"
    path.write_text(text)
    with pytest.raises(WrongLimitsError, match=r"slo\.toml"):
        Limits.read(path)
