"""Two versions compared from their slices, as they are left in folders."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.load.compare import Arm, schedule
from tests.load.diff import conclude, main, read_slices
from tests.load.measuring import NotMeasuredError
from tests.load.verdict import Account
from tests.unit.load.conftest import LoadRun


def leave(folder: Path, number: int, arm: Arm, run: LoadRun) -> None:
    run.result(run.course()).write(folder / f"{number:02}-{arm}")


def slices(folder: Path, *, slower_s: float, pairs: int = 3) -> Path:
    """Leave slices whose base answers in 5 ms, and the other in so much more."""
    for number, arm in enumerate(schedule(pairs)):
        run = LoadRun()
        run.api.answers_after_s = 0.005 + number * 1e-5 + slower_s * (arm is Arm.OURS)
        leave(folder, number, arm, run)
    return folder


def test_a_difference_is_told_and_written(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    code = conclude(read_slices(slices(tmp_path, slower_s=0.01)), tmp_path / "diff.json", console)
    assert code == 0
    assert isinstance(console.file, io.StringIO)
    assert "accept p99 +10." in console.file.getvalue()
    rows = json.loads((tmp_path / "diff.json").read_text())["differences"]
    assert {row["measure"]: row["is_detected"] for row in rows}["accept p99"] is True


def test_alike_versions_have_no_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--read", str(slices(tmp_path, slower_s=0))]) == 0
    assert "accept p99: no difference above" in capsys.readouterr().out


def test_one_invalid_slice_makes_the_intervals_worthless(tmp_path: Path) -> None:
    slices(tmp_path, slower_s=0)
    hogged = LoadRun()
    hogged.senses.cpu_pressure = 90
    leave(tmp_path, 0, Arm.BASE, hogged)
    assert main(["--read", str(tmp_path)]) == 3


def test_a_loss_outweighs_it(tmp_path: Path) -> None:
    slices(tmp_path, slower_s=0)
    leave(tmp_path, 0, Arm.BASE, LoadRun(account=Account(breaches=["job j is lost"])))
    assert main(["--read", str(tmp_path)]) == 1


def test_half_a_pair_is_nothing(tmp_path: Path) -> None:
    leave(tmp_path, 0, Arm.BASE, LoadRun())
    with pytest.raises(NotMeasuredError):
        read_slices(tmp_path)
    assert main(["--read", str(tmp_path)]) == 4


def test_a_version_to_compare_with_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BASE", raising=False)
    assert main([]) == 2
    assert "BASE=<git ref>" in capsys.readouterr().err
