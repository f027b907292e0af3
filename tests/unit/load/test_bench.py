"""The command `make bench`: what one goal does never takes the others along."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.load.bench.__main__ import _expected_s, _measured, main
from tests.load.bench.floor import AbsentError
from tests.load.bench.goals import Goal, all_goals
from tests.load.bench.score import Absence, Finding
from tests.load.bench.setup import Bench

#: How long a usual run may take by its own plan.
MOST_S = 14 * 60


@contextmanager
def no_sink(_folder: Path) -> Iterator[str]:
    """Stand for a plane that is there."""
    yield ""


BENCH = Bench(binary=Path("floor"), planes={}, full=False, rounds=3, cache=Path("none"))


class Failing(Goal):
    """A goal that cannot be measured."""

    def measure(self, _bench: Bench) -> Sequence[Finding]:
        """Fail as the module says."""
        raise {"absent": AbsentError("put minio on PATH"), "broken": RuntimeError("lost one")}[
            self.module
        ]


def test_unknown_goal_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "G2"]) == 2
    assert "no goal g2" in capsys.readouterr().err


def test_goal_that_needs_what_is_missing_is_absent() -> None:
    assert _measured(Failing(name="G9", module="absent"), BENCH) == [
        Absence(goal="G9", what="put minio on PATH")
    ]


def test_goal_that_cannot_be_loaded_breaks_when_it_is_measured() -> None:
    goal = Goal(name="G9", module="tests.load.bench.g9_nothing")

    assert _expected_s(goal, BENCH) == 0
    (absence,) = _measured(goal, BENCH)
    assert isinstance(absence, Absence)
    assert absence.is_broken


def test_goal_that_breaks_is_told_as_broken(capsys: pytest.CaptureFixture[str]) -> None:
    assert _measured(Failing(name="G9", module="broken"), BENCH) == [
        Absence(goal="G9", what="RuntimeError: lost one", is_broken=True)
    ]
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("full", "trial", "size"), [(False, False, 2), (True, False, 3), (False, True, 1)]
)
def test_size_fits_the_run(size: int, *, full: bool, trial: bool) -> None:
    bench = Bench(
        binary=Path("floor"), planes={}, full=full, rounds=1, cache=Path("none"), trial=trial
    )

    assert bench.pick(trial=1, usual=2, full=3) == size


def test_usual_run_with_every_plane_takes_less_than_a_quarter_of_an_hour() -> None:
    bench = replace(BENCH, planes={"N": no_sink, "T": no_sink})

    assert sum(goal.expected_s(bench) for goal in all_goals()) <= MOST_S


@pytest.mark.parametrize(
    ("full", "trial", "rounds"), [(False, False, 2), (True, False, 3), (False, True, 3)]
)
def test_long_rounds_are_fewer_in_a_usual_run(rounds: int, *, full: bool, trial: bool) -> None:
    assert replace(BENCH, full=full, trial=trial).few_rounds == rounds
