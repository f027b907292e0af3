"""The command `make bench`: what one goal does never takes the others along."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.load.bench.__main__ import _measured, main
from tests.load.bench.floor import AbsentError
from tests.load.bench.goals import Goal
from tests.load.bench.score import Absence, Finding
from tests.load.bench.setup import Bench

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
