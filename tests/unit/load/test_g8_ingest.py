"""The scores of intake: the dearer of PUT and append is the price."""

from collections.abc import Mapping

import pytest

from tests.load.bench.g8_ingest import backlog_score, naive_score, price_score
from tests.load.bench.intake_arms import Taken, manifest, timed


def taken(p50_ms: float, p99_ms: float = 0) -> Taken:
    return Taken(seconds=1, cpu_s={}, count=1, p50_ms=p50_ms, p99_ms=p99_ms)


def a_round(
    put: float = 1, append: float = 1, idle: float = 1, **others: float
) -> Mapping[str, Taken]:
    return {
        "PUT": taken(put),
        "append": taken(append),
        "idle": taken(idle, others.get("idle_p99", 1)),
        "backlog": taken(others.get("backlog", 1), others.get("backlog_p99", 1)),
        "naive": taken(others.get("naive", 1)),
    }


def test_price_is_the_dearer_of_put_and_append_in_each_round() -> None:
    rounds = [
        a_round(put=2, append=1, idle=6),
        a_round(put=1, append=2, idle=8),
        a_round(put=1, append=1, idle=5),
    ]

    score = price_score(rounds, "idle", "none queued")

    assert (score.ratio, score.high95) == (4.0, 5.0)
    assert score.met is False


@pytest.mark.parametrize(("naive", "is_met"), [(150, True), (149, False)])
def test_naive_stack_must_take_fifteen_times_as_long(naive: float, *, is_met: bool) -> None:
    assert naive_score([a_round(idle=10, naive=naive)] * 3).met is is_met


@pytest.mark.parametrize(("backlog", "is_met"), [(15.0, True), (15.1, False)])
def test_backlog_is_judged_by_its_p99(backlog: float, *, is_met: bool) -> None:
    rounds = [a_round(idle_p99=10, backlog_p99=backlog)] * 3

    assert backlog_score(rounds, "100,000 queued").met is is_met


def test_manifest_is_of_the_size_that_the_goal_names() -> None:
    assert 190_000 <= len(manifest()) <= 210_000


async def test_acts_before_the_timed_ones_are_not_counted() -> None:
    acts: list[int] = []

    async def act() -> None:
        acts.append(len(acts))

    run = await timed(act, times=3, before=2)

    assert (len(acts), run.count) == (5, 3)
