"""The kill matrix: which mutant was killed by which test, as JSON, Markdown and text."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from runner.mutants.catalogue import Mutant

JSON: Final = "mutants.json"
MARKDOWN: Final = "mutants.md"


class Fate(StrEnum):
    """What became of a mutant. Only `killed` is good."""

    KILLED = "killed"
    SURVIVED = "survived"
    #: The service did not start with it, so no test has judged it.
    BROKEN = "broken"
    #: There was no time left for it.
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One row."""

    mutant: Mutant
    fate: Fate
    seconds: float = 0.0
    #: The first test that failed, as file::test.
    killer: str = ""
    #: The blame line of that test, or why the mutant is broken.
    blame: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """All rows, and what they rest on."""

    verdicts: Sequence[Verdict]
    #: How the suite did without a mutant; empty when that was left out.
    control: str
    seconds: float

    @property
    def killed(self) -> int:
        """How many were noticed."""
        return sum(1 for each in self.verdicts if each.fate is Fate.KILLED)

    @property
    def are_all_killed(self) -> bool:
        """Whether the suite is good enough."""
        return self.killed == len(self.verdicts)

    @property
    def closing_line(self) -> str:
        """Return the line that says it all."""
        left = [each.mutant.name for each in self.verdicts if each.fate is not Fate.KILLED]
        rest = f"; not killed: {', '.join(left)}" if left else ""
        control = f"control: {self.control}" if self.control else "no control run"
        counted = f"{self.killed} of {len(self.verdicts)} mutants killed"
        return f"{counted} in {self.seconds:.0f} s ({control}){rest}"

    def write(self, artifacts: Path) -> None:
        """Write both files."""
        artifacts.mkdir(parents=True, exist_ok=True)
        content = {
            "closing_line": self.closing_line,
            "control": self.control,
            "seconds": round(self.seconds, 1),
            "mutants": [_row(each) for each in self.verdicts],
        }
        (artifacts / JSON).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        (artifacts / MARKDOWN).write_text(self.markdown(), encoding="utf-8")

    def markdown(self) -> str:
        """Return the table."""
        lines = [
            "| mutant | the bug | killed by | seconds | blame line |",
            "|---|---|---|---|---|",
            *(_line(each) for each in self.verdicts),
        ]
        return "\n".join([*lines, "", f"{self.closing_line}.", ""])


def _row(verdict: Verdict) -> dict[str, object]:
    return {
        **asdict(verdict.mutant),
        "fate": verdict.fate,
        "seconds": round(verdict.seconds, 1),
        "killer": verdict.killer,
        "blame": verdict.blame,
    }


def _line(verdict: Verdict) -> str:
    mutant, killer = verdict.mutant, verdict.killer or str(verdict.fate).upper()
    cells = (f"`{mutant.name}`", mutant.bug, killer, f"{verdict.seconds:.0f}", verdict.blame)
    return f"| {' | '.join(_cell(each) for each in cells)} |"


def _cell(text: str) -> str:
    first = text.strip().partition("\n")[0].replace("|", "\\|")
    return first if len(first) <= 160 else f"{first[:157]}..."  # noqa: PLR2004 - fits a screen
