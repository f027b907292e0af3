"""Nothing that a stack started outlives it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runner.stacks.processes import Processes, last_lines
from runner.waiting import wait_until

ROOT = Path(__file__).parents[3]
#: Starts a child that ignores SIGTERM and changes its group, tells its number, and waits.
FAMILY = """
import os, signal, sys, time
if os.fork() == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(os.getpid(), flush=True)
time.sleep(60)
"""
#: A runner that starts the family, tells its scratch folder's content, and is killed.
RUNNER = """
import sys, time
from pathlib import Path
from runner.stacks.processes import Processes
scratch = Path(sys.argv[1])
with Processes(scratch=scratch) as processes:
    processes.start("sleeper", [sys.executable, "-S", "-c", "import os, time;"
        "print(os.getpid(), flush=True); time.sleep(60)"], Path(sys.argv[2]), {})
    time.sleep(60)
"""


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _number_in(path: Path) -> int:
    return int(wait_until(lambda: path.exists() and path.read_text(), 10, "a number in the file"))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to list sessions")
def test_a_stubborn_grandchild_is_ended_too(scratch: Path, tmp_path: Path) -> None:
    output = tmp_path / "family.out"
    with Processes(scratch=scratch) as processes:
        processes.start("family", [sys.executable, "-S", "-c", FAMILY], output, {})
        grandchild = _number_in(output)
    wait_until(lambda: not _is_running(grandchild), 5, "the grandchild is gone")
    assert processes.exit_codes == {"family": -signal.SIGTERM}


def test_everything_ends_when_the_runner_is_killed(scratch: Path, tmp_path: Path) -> None:
    output = tmp_path / "sleeper.out"
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(scratch), str(output)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as runner:
        sleeper = _number_in(output)
        runner.kill()
    wait_until(lambda: not _is_running(sleeper), 10, "the sleeper is gone")
    wait_until(lambda: not scratch.exists(), 10, "the scratch folder is gone")


def test_an_ended_process_says_so(scratch: Path, tmp_path: Path) -> None:
    output = tmp_path / "short.out"
    with Processes(scratch=scratch) as processes:
        started = processes.start("short", ["sh", "-c", "echo no port; exit 3"], output, {})
        assert wait_until(started.ended, 10, "the end") == "short ended with 3"
    assert last_lines(output) == "  | no port"


def test_last_lines_of_what_was_never_written(tmp_path: Path) -> None:
    assert "never written" in last_lines(tmp_path / "absent.log")
