"""A peer that cannot be had is told, with what would help; one that can is run as pinned."""

import re
import sys
from pathlib import Path

import pytest

from tests.load.bench.arms import Arm, Workload
from tests.load.bench.floor import AbsentError
from tests.load.bench.peers import installing, running
from tests.load.bench.peers.peer import Peer, race
from tests.load.bench.score import Absence
from tests.load.bench.setup import Bench

BENCH = Bench(binary=Path("floor"), planes={}, full=False, rounds=1, cache=Path("none"))


def test_program_that_is_missing_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(AbsentError, match=r"aria2c is not on PATH .*apt-get install aria2"):
        installing.program_on_path("aria2c", "aria2")


def test_peer_that_needs_go_is_absent_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(AbsentError, match="some v1: it is built with Go"):
        installing.go_program(tmp_path, "example.org/some", "v1")


def test_installer_that_fails_says_why() -> None:
    with pytest.raises(AbsentError, match="failed: no such version"):
        installing._run([sys.executable, "-c", "import sys; sys.exit('first\\nno such version')"])


def test_all_python_peers_are_pinned_with_hashes() -> None:
    text = installing.REQUIREMENTS.read_text()
    asked = re.findall(
        r"^[a-z][\w-]*", installing.REQUIREMENTS.with_suffix(".in").read_text(), re.MULTILINE
    )
    entries = re.split(r"\n(?=\S)", text.strip())

    assert [entry for entry in entries if not re.match(r"\S+==.+\n    --hash=sha256:", entry)] == []
    assert [name for name in asked if not re.search(rf"^{name}(\[|==)", text, re.MULTILINE)] == []


def test_versions_are_told_as_they_are_pinned() -> None:
    assert re.fullmatch(r"taskiq [\d.]+, s5cmd [\d.]+", installing.pinned("taskiq", "s5cmd"))


def test_nothing_is_run_when_no_peer_can_be_had() -> None:
    def prepare(_bench: Bench) -> Arm:
        raise AbsentError("no network")

    peer = Peer(name="peer", notes="", prepare=prepare, targets=(1, 1), count=1)

    assert race(BENCH, "G4", "N", Workload(), [peer]) == [Absence(goal="G4", what="no network")]


def test_plane_that_is_missing_is_told_with_its_program() -> None:
    with pytest.raises(AbsentError, match="put minio on PATH"):
        BENCH.sink("T")


def test_command_is_charged_with_the_cpu_it_used(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass\nprint('done')"

    spent = running.spend([sys.executable, "-c", burn], tmp_path)

    assert spent.output == "done\n"
    assert 0.2 <= spent.cpu_s < 2
    assert spent.seconds >= 0.15


def test_command_that_fails_shows_the_last_line_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ended with 1: no such bucket$"):
        running.spend(
            [sys.executable, "-c", "import sys; sys.exit('many\\nno such bucket')"], tmp_path
        )
