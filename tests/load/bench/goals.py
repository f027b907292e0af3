"""The goals there are: every module g<N>_<words>.py of this folder, and growth.py, is one.

A goal's module has `GOAL` (its name, as in its file's) and `measure(bench)`; what cannot be
measured here raises AbsentError or comes back as an Absence. It may have `expected_s(bench)`, the
seconds it takes on two cores, and `charts(scores)`, figures for docs/benchmarks.md by name.
"""

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.load.bench.score import Finding, Score
from tests.load.bench.setup import Bench

HERE: Final = Path(__file__).parent
PATTERNS: Final = ("g[0-9]*_*.py", "growth.py")
#: What a goal that does not say is taken to need.
EXPECTED_S: Final = 60.0


class UnknownGoalError(Exception):
    """A goal was asked for that no module measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A module that measures one goal, imported only when it is needed."""

    name: str
    module: str

    def measure(self, bench: Bench) -> Sequence[Finding]:
        """Measure it; raises AbsentError where that is not possible here."""
        found: Sequence[Finding] = self._get("measure")(bench)
        return found

    def expected_s(self, bench: Bench) -> float:
        """Return about how long it takes."""
        tell: Callable[[Bench], float] = self._get("expected_s") or (lambda _: EXPECTED_S)
        return tell(bench)

    def charts(self, scores: Sequence[Score]) -> Mapping[str, str]:
        """Return figures of its own: SVG texts by name."""
        draw: Callable[[Sequence[Score]], Mapping[str, str]] | None = self._get("charts")
        return draw(scores) if draw else {}

    def _get(self, name: str) -> Any:
        return getattr(importlib.import_module(self.module), name, None)


def all_goals() -> list[Goal]:
    """Return every goal, in order of its number."""
    stems = [path.stem for pattern in PATTERNS for path in HERE.glob(pattern)]
    goals = [Goal(name=name_of(stem), module=f"tests.load.bench.{stem}") for stem in sorted(stems)]
    return sorted(goals, key=lambda goal: int(goal.name[1:]) if goal.name[1:].isdigit() else 99)


def name_of(stem: str) -> str:
    """Return the goal a module is about: "G6" for g6_large_bodies."""
    first = stem.split("_", maxsplit=1)[0]
    return first.upper() if first[1:].isdigit() else first


def chosen(only: Collection[str]) -> list[Goal]:
    """Return the goals of these names, or all; raises UnknownGoalError."""
    goals = all_goals()
    wanted = {each.strip().lower() for each in only if each.strip()}
    if unknown := wanted - {goal.name.lower() for goal in goals}:
        known = ", ".join(dict.fromkeys(goal.name for goal in goals))
        raise UnknownGoalError(f"no goal {', '.join(sorted(unknown))}; there are {known}")
    return [goal for goal in goals if not wanted or goal.name.lower() in wanted]
