"""G8: a manifest of 1,000 URLs is taken over at the price of one PUT, however long the queue is.

No worker runs: what is posted stays queued, behind nothing or behind a backlog. The price is that
of the dearer of two things no intake can do without: one PUT of the manifest, one synced append of
1,000 tasks.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from tests.load.bench.floor import AbsentError
from tests.load.bench.intake_arms import (
    RESOURCES,
    Taken,
    append_arm,
    naive_arm,
    put_arm,
    service_arm,
)
from tests.load.bench.peers import naive
from tests.load.bench.rounds import interleave
from tests.load.bench.score import Absence, Finding, Score
from tests.load.bench.setup import Bench

GOAL: Final = "G8"
PLANE: Final = "T"
#: Target and stretch target of p50, by the price of one PUT.
PRICE: Final = (4.0, 2.0)
#: Target of p50, by that of the naive stack.
NAIVE: Final = 1 / 15
#: Target of p99 with a backlog, by that without.
BACKLOG: Final = 1.5

EMPTY: Final = "empty queue at first"

Rounds = Sequence[Mapping[str, Taken]]


def measure(bench: Bench) -> Sequence[Finding]:
    """Measure on MinIO in memory; the naive stack where it can be had."""
    jobs = bench.pick(trial=2, usual=100, full=100)
    arms, absent = _arms(bench, jobs)
    rounds = interleave(arms, bench.rounds, f"{GOAL} {PLANE}")
    queued = f"{jobs * RESOURCES:,} queued before"
    scores = [price_score(rounds, "idle", EMPTY), price_score(rounds, "backlog", queued)]
    if "naive" in arms:
        scores.append(naive_score(rounds))
    return [*scores, backlog_score(rounds, queued), *absent]


def expected_s(bench: Bench) -> float:
    """Starts and requests of a round, as measured on two cores."""
    return bench.rounds * bench.pick(trial=15, usual=24, full=60)


def _arms(bench: Bench, jobs: int) -> tuple[dict[str, Callable[[], Taken]], list[Absence]]:
    sink = bench.sink(PLANE)
    times = bench.pick(trial=20, usual=200, full=500)
    arms: dict[str, Callable[[], Taken]] = {
        "PUT": partial(put_arm, sink, times),
        "append": partial(append_arm, times),
        "idle": partial(service_arm, sink, times, queued_jobs=0),
        "backlog": partial(service_arm, sink, times, queued_jobs=jobs),
    }
    try:
        stack = naive.prepare(bench)
    except AbsentError as error:
        return arms, [Absence(goal=GOAL, what=f"the naive stack: {error}")]
    arms["naive"] = partial(naive_arm, stack, bench.pick(trial=3, usual=20, full=50))
    return arms, []


def price_score(rounds: Rounds, arm: str, queued: str) -> Score:
    put, append = (
        statistics.median(each[name].p50_ms for each in rounds) for name in ("PUT", "append")
    )
    return _score(
        f"p50 of a POST of 1,000 URLs, {queued}",
        [each[arm].p50_ms for each in rounds],
        [max(each["PUT"].p50_ms, each["append"].p50_ms) for each in rounds],
        against="one PUT or append",
        targets=PRICE,
        notes=f"PUT {put:.2f} ms, append {append:.2f} ms",
    )


def naive_score(rounds: Rounds) -> Score:
    return _score(
        f"p50 of a POST of 1,000 URLs, {EMPTY}",
        [each["idle"].p50_ms for each in rounds],
        [each["naive"].p50_ms for each in rounds],
        against="FastAPI + taskiq",
        targets=(NAIVE, None),
        notes="that one stores nothing and keeps its queue in memory",
    )


def backlog_score(rounds: Rounds, queued: str) -> Score:
    return _score(
        f"p99 of a POST of 1,000 URLs, {queued}",
        [each["backlog"].p99_ms for each in rounds],
        [each["idle"].p99_ms for each in rounds],
        against=EMPTY,
        targets=(BACKLOG, None),
    )


def _score(
    workload: str,
    ours: Sequence[float],
    reference: Sequence[float],
    *,
    against: str,
    targets: tuple[float, float | None],
    notes: str = "",
) -> Score:
    return Score.of_rounds(
        ours,
        reference,
        goal=GOAL,
        workload=workload,
        plane=PLANE,
        target=targets[0],
        stretch=targets[1],
        unit=" ms",
        against=against,
        notes=notes,
        better="lower",
    )
