"""Rounds in which every arm runs once, in turns, so that a drift of the machine meets all alike."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from tests.load.bench.floor import AbsentError
from tests.load.bench.machine import Ticks
from tests.load.bench.score import Score
from tests.load.bench.service import Run

#: A round in which the hypervisor took more than this is void and run again.
MOST_STOLEN: Final = 0.02

Round = Mapping[str, Run]
#: What an arm gives back; it may tell more than a Run does.
R = TypeVar("R", bound=Run)


def interleave(
    arms: Mapping[str, Callable[[], R]],
    rounds: int,
    label: str,
    read_ticks: Callable[[], Ticks] = Ticks.read,
) -> list[Mapping[str, R]]:
    """Run the arms in turns (ABC, CBA, ...); raises AbsentError where most rounds are void."""
    good: list[Mapping[str, R]] = []
    for attempt in range(2 * rounds):
        before = read_ticks()
        runs: dict[str, R] = {}
        for arm in list(arms)[:: 1 if attempt % 2 == 0 else -1]:
            runs[arm] = arms[arm]()
            print(f"  {label} {len(good) + 1}/{rounds} {shown(arm, runs[arm])}", flush=True)
        stolen = read_ticks().stolen_since(before)
        if stolen <= MOST_STOLEN:
            good.append(runs)
        else:
            print(f"  {label}: void, {stolen:.0%} of the time was taken by the host", flush=True)
        if len(good) == rounds:
            return good
    raise AbsentError(f"the host took more than {MOST_STOLEN:.0%} of the time in most rounds")


def shown(arm: str, run: Run) -> str:
    """Write a run as a line."""
    cpu = ", ".join(f"{role} {used:.0f}" for role, used in run.cpu_us.items())
    return f"{arm:20}{run.per_s:7.0f}/s   CPU us/resource: {cpu}"


def throughput(rounds: Sequence[Round], arm: str) -> float:
    """Return the median of an arm's resources per second."""
    return statistics.median(each[arm].per_s for each in rounds)


def score_rounds(
    rounds: Sequence[Round],
    reference: str,
    *,
    goal: str,
    workload: str,
    plane: str,
    targets: tuple[float, float],
    ours: str = "fetchbox",
    notes: str = "",
) -> Score:
    """Score our throughput by the reference's, with its target and stretch target."""
    target, stretch = targets
    return Score.of_rounds(
        [each[ours].per_s for each in rounds],
        [each[reference].per_s for each in rounds],
        goal=goal,
        workload=workload,
        plane=plane,
        target=target,
        stretch=stretch,
        against=reference,
        arm=ours,
        notes=notes,
        cpu_us=_cpu_us(rounds, ours) | _cpu_us(rounds, reference),
    )


def _cpu_us(rounds: Sequence[Round], arm: str) -> dict[str, float]:
    return {
        role if role.startswith(arm) else f"{arm} {role}": statistics.median(
            each[arm].cpu_us[role] for each in rounds
        )
        for role in rounds[0][arm].cpu_us
    }
