"""Runs the suite against every mutant, stopping at the first test that notices.

First those tests that should notice, alone; only if they do not, all others. Before that, the
suite runs on the product as it is: where it is not green then, no kill would mean anything.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from runner import junit
from runner.blame import Culprit
from runner.mutants.bench import Bench, bench
from runner.mutants.catalogue import NONE, Mutant
from runner.mutants.matrix import Fate, Matrix, Verdict
from runner.stacks.port import Place, StackError
from runner.suite import Part, PartResult, Suite, Wishes

#: Where the gate keeps what it needs and gathers; the matrix itself lies one folder up.
FOLDER: Final = "mutants"
#: All mutants and the control run together.
BUDGET_S: Final = 900.0
#: pytest's exit codes for: all passed, one failed.
JUDGED: Final = {0, 1}


class ControlRedError(Exception):
    """The suite is red without a mutant; the text names the tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateWishes:
    """What the caller wants."""

    workers: int = 4
    budget_s: float = BUDGET_S
    is_controlled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The mutants and the place they are judged at."""

    place: Place
    environment: Mapping[str, str]
    mutants: Sequence[Mutant]
    wishes: GateWishes
    say: Callable[[str], None]

    def run(self) -> Matrix:
        """Judge all; raises StackError, ControlRedError."""
        begun = time.monotonic()
        verdicts: list[Verdict] = []
        own = replace(self.place, artifacts=self.place.artifacts / FOLDER)
        with bench(own, self.environment) as stage:
            control = self._control(stage) if self.wishes.is_controlled else ""
            for mutant in self.mutants:
                left_s = self.wishes.budget_s - (time.monotonic() - begun)
                if left_s > 0:
                    verdict = self._judge(stage, mutant)
                else:
                    verdict = Verdict(mutant=mutant, fate=Fate.NOT_RUN, blame="no time left")
                verdicts.append(verdict)
                self._tell(verdict)
        return Matrix(verdicts=verdicts, control=control, seconds=time.monotonic() - begun)

    def _control(self, stage: Bench) -> str:
        """Return the closing line of the suite on the product itself."""
        suite = self._suite(stage, NONE)
        red, parts = [], []
        for part in suite.parts():
            result = suite.run(part)
            parts.append(result)
            red += _red(result)
        if red:
            raise ControlRedError(
                "\n".join(f"{_short(case)}: {case.message[:300]}" for case in red)
            )
        junit.merge({part.name: part.junit for part in parts}, suite.artifacts / "junit.xml")
        line = junit.read(suite.artifacts / "junit.xml").closing_line
        self.say(f"control (no mutant): {line} in {sum(part.seconds for part in parts):.0f} s")
        return line

    def _judge(self, stage: Bench, mutant: Mutant) -> Verdict:
        begun = time.monotonic()
        try:
            killer = self._killer(stage, mutant)
        except StackError as error:
            seconds = time.monotonic() - begun
            return Verdict(mutant=mutant, fate=Fate.BROKEN, seconds=seconds, blame=str(error))
        seconds = time.monotonic() - begun
        if killer is None:
            return Verdict(mutant=mutant, fate=Fate.SURVIVED, seconds=seconds)
        return Verdict(
            mutant=mutant,
            fate=Fate.KILLED,
            seconds=seconds,
            killer=_short(killer),
            blame=killer.properties.get("blame") or killer.message,
        )

    def _killer(self, stage: Bench, mutant: Mutant) -> junit.Case | None:
        """Return the first test that fails because of the mutant."""
        stage.put_on(mutant.name)
        suspects = self._suite(stage, mutant.name, mutant.killed_by)
        red = _red(suspects.run(Part(name="suspects", arguments=["-x"])))
        if red and self._is_due_to_mutant(stage, mutant, red[0]):
            return red[0]
        everything = self._suite(stage, mutant.name)
        for part in everything.parts():
            stage.put_on(mutant.name)
            stopping = replace(part, arguments=[*part.arguments, "-x"])
            red = _red(everything.run(stopping))
            if red and self._is_due_to_mutant(stage, mutant, red[0]):
                return red[0]
        return None

    def _is_due_to_mutant(self, stage: Bench, mutant: Mutant, case: junit.Case) -> bool:
        """Whether a test that failed passes without the mutant, where that is not plain to see."""
        if case.properties.get("blame", "").startswith(Culprit.PRODUCT):
            return True
        stage.put_on(NONE)
        suite = self._suite(stage, mutant.name, _node_id(case))
        return not _red(suite.run(Part(name="counterproof", arguments=[])))

    def _suite(self, stage: Bench, name: str, *paths: str) -> Suite:
        artifacts = Path(stage.addresses.artifacts) / name
        artifacts.mkdir(parents=True, exist_ok=True)
        addresses = replace(stage.addresses, artifacts=str(artifacts))
        return Suite(
            root=self.place.root,
            artifacts=artifacts,
            environment=addresses.environment(),
            wishes=Wishes(workers=self.wishes.workers, pytest_arguments=paths),
            log=artifacts / "pytest.log",
        )

    def _tell(self, verdict: Verdict) -> None:
        name, fate = verdict.mutant.name, verdict.fate
        by = f" by {verdict.killer}" if verdict.killer else ""
        self.say(f"{name}: {fate}{by} in {verdict.seconds:.0f} s\n    {verdict.blame}")


def _red(result: PartResult) -> list[junit.Case]:
    """Return the tests that failed; raises StackError where pytest itself did."""
    if result.exit_code not in JUDGED or not result.junit.exists():
        message = f"pytest ended with {result.exit_code} in the {result.name} part"
        raise StackError(message)
    return junit.read(result.junit).red


def _short(case: junit.Case) -> str:
    """Name a test as file::test."""
    return case.name.removeprefix("tests.integration.")


def _node_id(case: junit.Case) -> str:
    """Name a test as pytest's command line wants it."""
    module, _, test = case.name.partition("::")
    return f"{module.replace('.', '/')}.py::{test}"
