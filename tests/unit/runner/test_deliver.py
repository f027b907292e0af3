"""Results leave the container, or the caller learns how to get them."""

import os
from pathlib import Path

import pytest

from runner.deliver import deliver, keep_logs


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "junit.xml").write_text("new")
    (folder / "SENTINEL").write_text("0")
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "artifacts"
    (folder / "tests" / "old").mkdir(parents=True)
    (folder / "junit.xml").write_text("old")
    (folder / "SENTINEL").write_text("old")
    return folder


def test_everything_arrives_and_what_is_old_goes(results: Path, target: Path) -> None:
    assert "artifacts/" in deliver(results, target)
    found = {path.name: path.read_text() for path in target.iterdir()}
    assert found == {"junit.xml": "new", "SENTINEL": "0"}


def test_no_sentinel_of_an_earlier_run_stays(results: Path, target: Path) -> None:
    (results / "SENTINEL").unlink()
    deliver(results, target)
    assert not (target / "SENTINEL").exists()


def test_a_folder_of_somebody_else_brings_the_command(results: Path, tmp_path: Path) -> None:
    assert f"docker cp {os.uname().nodename}:{results}/. artifacts/" in deliver(
        results, tmp_path / "none"
    )


def test_logs_are_kept_beside_the_results(results: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "api.log").write_text("line")
    for _ in range(2):
        keep_logs(logs, results)
    assert (results / "logs" / "api.log").read_text() == "line"


def test_logs_that_are_there_already_stay(results: Path) -> None:
    (results / "logs").mkdir()
    (results / "logs" / "api.log").write_text("line")
    keep_logs(results / "logs", results)
    assert (results / "logs" / "api.log").read_text() == "line"
