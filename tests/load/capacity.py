"""The highest rate whose backlog stays level: doubled until it does not, then halved in between.

Each step is a run of its own, drained and accounted for. What ran out first is named, or it is
said that nobody here can see it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from tests.load.meters import Sample
from tests.load.result import Result
from tests.load.words import grown_by

#: A rate is found when the next one tried would be closer to it than this.
PRECISION: Final = 0.1
MOST_STEPS: Final = 14
LOWEST: Final = 0.1
#: By how much a backlog may grow in one step: seconds of its own load, and whole manifests, as the
#: last one may still be on its way.
LEVEL_S: Final = 0.5
LEVEL_MANIFESTS: Final = 2
#: Cores a single process can use before it counts as exhausted.
EXHAUSTED: Final = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rate that was tried."""

    rate: float
    is_sustained: bool
    #: Why not; empty when it was.
    why: str = ""
    #: What there was no more of; empty where nothing that is measured was.
    exhausted: str = ""
    #: Something that is not the service was the limit.
    is_invalid: bool = False
    ended_per_s: float = 0.0
    grown: float = 0.0
    accept_p99_ms: float = 0.0


Try = Callable[[float], Awaitable[Step]]


async def search(first: float, attempt: Try) -> list[Step]:
    """Try rates until the highest that is sustained is known."""
    steps: list[Step] = []
    good, bad, rate = 0.0, 0.0, first
    while len(steps) < MOST_STEPS and rate >= LOWEST:
        step = await attempt(rate)
        if step.is_invalid:  # whatever disturbed it may have passed
            step = await attempt(rate)
        steps.append(step)
        if step.is_sustained:
            good = rate
        else:
            bad = rate
        if good and bad and bad - good <= PRECISION * good:
            break
        rate = (good + bad) / 2 if bad else good * 2
    return steps


def best_of(steps: Sequence[Step]) -> Step | None:
    """Return the highest rate that was sustained."""
    return max((each for each in steps if each.is_sustained), key=lambda s: s.rate, default=None)


def limit_of(steps: Sequence[Step]) -> Step | None:
    """Return the lowest rate that was not."""
    return min(
        (each for each in steps if not each.is_sustained), key=lambda s: s.rate, default=None
    )


def step_of(rate: float, result: Result, workers: int) -> Step:
    """Judge one step by its backlog, its refusals and its accept latency."""
    course, judgement = result.course, result.judgement
    samples = course.sending
    grown = grown_by([float(each.backlog if each.lag is None else each.lag) for each in samples])
    ended = [each.ended_per_s for each in samples if each.ended_per_s is not None]
    p99_ms = course.tally.latencies.accept.percentile(99) * 1e3
    promised = result.limits.slo.accept_p99_ms
    # That the machine is busy is what is looked for; a late generator is not.
    invalid = [each for each in judgement.invalid if not each.startswith("the machine")]
    reasons = list(judgement.breaches)
    if grown > max(LEVEL_S * rate, LEVEL_MANIFESTS) * result.workload.resources:
        reasons.append(f"the backlog grew by {grown:.0f} tasks")
    if course.tally.backlog > 0:
        reasons.append(f"{course.tally.backlog} resources had not ended when the time was up")
    if course.tally.problems:
        reasons.append(f"{sum(course.tally.problems.values())} manifests were not accepted")
    if promised is not None and p99_ms > promised:
        reasons.append(f"accept p99 was {p99_ms:.0f} ms, promised {promised:g} ms")
    return Step(
        rate=rate,
        is_sustained=not reasons and not invalid,
        why="; ".join(reasons or invalid),
        exhausted=exhausted(samples, workers, result.limits.valid.cpu_pressure),
        is_invalid=bool(invalid and not reasons),
        ended_per_s=median(ended) if ended else 0.0,
        grown=grown,
        accept_p99_ms=p99_ms,
    )


def exhausted(samples: Sequence[Sample], workers: int, pressure: float) -> str:
    """Name what there was no more of."""
    api = _middle([each.api_cpu for each in samples])
    worker = _middle([each.worker_cpu for each in samples])
    store = _middle([each.store_cpu for each in samples])
    broker = _middle([each.broker_cpu for each in samples])
    machine = _middle([each.cpu_pressure for each in samples])
    found = []
    if api > EXHAUSTED:
        found.append(f"the API's core ({api:.2f})")
    if worker > EXHAUSTED * workers:
        found.append(f"the workers' cores ({worker:.2f} of {workers})")
    if store > EXHAUSTED:
        found.append(f"the store ({store:.2f} cores)")
    if broker > EXHAUSTED:
        found.append(f"the broker ({broker:.2f} cores)")
    if machine > pressure:
        found.append(f"the machine's CPUs (tasks waited {machine:.0f} % of the time)")
    return ", ".join(found)


def _middle(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return median(known) if known else 0.0


def conclusion(steps: Sequence[Step], resources: int) -> list[str]:
    """Say what was found."""
    best, limit = best_of(steps), limit_of(steps)
    lines = []
    if best is None:
        lines.append("No rate was sustained.")
    else:
        lines.append(
            f"Highest sustained rate: {best.rate:.1f} manifests/s, {best.rate * resources:.0f}"
            f" resources/s; accept p99 {best.accept_p99_ms:.0f} ms."
        )
    if limit is None:
        lines.append(f"No limit was found in {len(steps)} steps: begin with a higher RATE.")
        return lines
    lines.append(f"At {limit.rate:.1f} manifests/s: {limit.why}.")
    if limit.is_invalid:
        lines.append("INVALID: that is not the service's limit, which lies above.")
        return lines
    lines.append(
        f"What ran out first: {limit.exhausted}."
        if limit.exhausted
        else "What ran out first is no CPU that is measured here: not API, workers or machine, nor"
        " store and broker as far as they can be seen."
    )
    return lines


def to_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return the steps for capacity.json."""
    return [{name: getattr(step, name) for name in Step.__slots__} for step in steps]
