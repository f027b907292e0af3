"""What a run found, for programs (bench.json) and on the terminal."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from tests.load.bench.machine import is_same
from tests.load.bench.score import Absence, Finding, Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The machine, the goals measured on it, and what could not be measured."""

    machine: Mapping[str, str]
    goals: Sequence[Score]
    absent: Sequence[Absence]

    @classmethod
    def of(cls, machine: Mapping[str, str], found: Sequence[Finding]) -> Self:
        """Sort what was found, and write date and commit on it."""
        when = f"{machine.get('date', '')} {machine.get('commit', '')}".strip()
        return cls(
            machine=machine,
            goals=[replace(each, measured=when) for each in found if isinstance(each, Score)],
            absent=[each for each in found if isinstance(each, Absence)],
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        document = json.loads(path.read_text())
        return cls(
            machine=document["machine"],
            goals=[_score_of(row) for row in document["goals"]],
            absent=[Absence(**row) for row in document["absent"]],
        )

    def write(self, path: Path) -> None:
        """Write it for programs."""
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [asdict(score) | {"met": score.met} for score in self.goals]
        absent = [asdict(each) for each in self.absent]
        document = {"machine": dict(self.machine), "goals": rows, "absent": absent}
        path.write_text(json.dumps(document, indent=2) + "\n")

    def with_earlier(self, path: Path, measured: Collection[str]) -> Self:
        """Add what an earlier run on this machine found of the goals that were not measured now."""
        try:
            earlier = type(self).read(path)
        except (OSError, KeyError, TypeError, ValueError):  # none, or of another shape
            return self
        if not is_same(earlier.machine, self.machine):
            return self
        kept = [each for each in earlier.goals if each.goal not in measured]
        told = {each.goal for each in self.absent} | set(measured)
        return replace(
            self,
            goals=sorted([*self.goals, *kept], key=lambda each: number_of(each.goal)),
            absent=[*self.absent, *(each for each in earlier.absent if each.goal not in told)],
        )

    @property
    def exit_code(self) -> int:
        """Return 1 when a target is missed or a measurement broke."""
        is_missed = any(score.met is False for score in self.goals)
        return 1 if is_missed or any(each.is_broken for each in self.absent) else 0

    def table(self) -> str:
        """Return it for the terminal."""
        names = ("goal", "", "against", "ours", "reference", "", "ratio", "95 %", "target")
        head = "\n{:7}{:4}{:28}{:>9}{:>11} {:8}{:>7}{:>8}{:>8}".format(*names)
        rows = [
            f"{each.goal:7}{each.plane:4}{each.against[:27]:28}{each.ours:9.4g}"
            f"{each.reference:11.4g} {each.unit:8}{each.ratio:7.2f}{worse_end(each):8.2f}"
            f"{'' if each.target is None else f'{each.target:g}':>8}  {verdict(each):9}"
            f"{each.workload}"
            for each in self.goals
        ]
        return "\n".join([head, *rows, *(f"absent: {e.goal}: {e.what}" for e in self.absent)])


def number_of(goal: str) -> tuple[int, str]:
    """Return where a goal stands in the order: numbers first, then words."""
    return (int(goal[1:]), "") if goal[1:].isdigit() else (99, goal)


def worse_end(score: Score) -> float:
    """Return the end of the interval that is judged."""
    is_high = score.better == "lower" and score.high95 is not None
    return score.high95 if is_high and score.high95 is not None else score.low95


def verdict(score: Score) -> str:
    """Say in a word how a goal came out."""
    if score.met is None:
        return ""
    if not score.met:
        return "missed"
    return "stretch" if score.reaches(score.stretch) else "met"


def _score_of(row: Mapping[str, Any]) -> Score:
    known = {each.name for each in fields(Score)}
    return Score(**{name: value for name, value in row.items() if name in known})
