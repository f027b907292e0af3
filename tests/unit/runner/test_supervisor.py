"""The supervisor, run as the real process it is."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from runner.waiting import wait_until

SCRIPT = Path(__file__).parents[3] / "runner" / "supervisor.py"
#: Says that it started, then waits; ends with 7 when asked to.
PROGRAM = """
import signal, sys
def bye(*_):
    print("bye", flush=True)
    sys.exit(7)
signal.signal(signal.SIGTERM, bye)
print("started", flush=True)
while True:
    signal.pause()
"""
COMMAND = [sys.executable, "-S", "-c", PROGRAM]


class Supervisor:
    """A running supervisor and its control port."""

    def __init__(self, log: Path, *options: str, command: list[str] = COMMAND) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.log = log
        arguments = ["--listen", self.address, "--log", str(log), *options, "--", *command]
        self.running = subprocess.Popen(
            [sys.executable, "-S", str(SCRIPT), *arguments],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def ask(self, path: str, method: str = "POST") -> tuple[int, dict[str, Any]]:
        request = Request(f"http://{self.address}{path}", method=method)
        try:
            with urlopen(request, timeout=10) as response:  # noqa: S310 - http
                return response.status, json.load(response)
        except HTTPError as error:
            return error.code, json.load(error)

    def state(self) -> dict[str, Any]:
        return self.ask("/state", "GET")[1]

    def wait_started(self, times: int = 1) -> dict[str, Any]:
        self.wait_said(
            "the command says that it started", lambda said: said.count("started") == times
        )
        return self.state()

    def wait_said(self, what: str, until: Callable[[str], bool]) -> None:
        """Wait for the log, which what the command writes reaches by and by."""
        wait_until(lambda: self.log.read_text() if self.log.exists() else "", 10, what, until=until)

    def end(self) -> bytes:
        self.running.send_signal(signal.SIGTERM)
        return self.running.communicate(timeout=10)[0]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def make(*options: str, **settings: Any) -> Supervisor:
        made.append(Supervisor(tmp_path / "command.log", *options, **settings))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.end()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_state_shows_the_running_command(supervise: Callable[..., Supervisor]) -> None:
    state = supervise().wait_started()
    assert _is_running(state["pid"])
    assert state == {"pid": state["pid"], "starts": 1, "exit_code": None}


def test_kill_answers_when_the_command_is_gone(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise()
    pid = supervisor.wait_started()["pid"]
    assert supervisor.ask("/kill?signal=KILL") == (
        200,
        {"pid": None, "starts": 1, "exit_code": -signal.SIGKILL},
    )
    assert not _is_running(pid)


def test_nothing_respawns_unless_asked(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise()
    supervisor.wait_started()
    supervisor.ask("/kill?signal=KILL")
    assert supervisor.ask("/kill?signal=KILL")[0] == 409
    assert supervisor.ask("/start")[0] == 200
    assert supervisor.wait_started(2)["starts"] == 2
    assert supervisor.ask("/start")[0] == 409


def test_stop_lets_the_command_finish(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise()
    supervisor.wait_started()
    assert supervisor.ask("/stop")[1]["exit_code"] == 7
    supervisor.wait_said("its last word", lambda said: said == "started\nbye\n")


def test_stop_and_cont_hold_the_command(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise()
    pid = supervisor.wait_started()["pid"]
    supervisor.ask("/kill?signal=STOP")
    status = Path(f"/proc/{pid}/stat")
    if status.exists():
        wait_until(lambda: status.read_text().split()[2], 5, "stopped", until=lambda s: s == "T")
    assert supervisor.ask("/kill?signal=CONT")[1]["pid"] == pid


def test_respawns_a_command_that_ended_by_itself(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise("--respawn")
    os.kill(supervisor.wait_started()["pid"], signal.SIGKILL)
    assert supervisor.wait_started(2)["starts"] == 2


def test_unknown_requests_say_what_there_is(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise()
    supervisor.wait_started()
    assert "KILL, TERM, STOP, CONT" in supervisor.ask("/kill?signal=HUP")[1]["error"]
    assert supervisor.ask("/pause")[0] == 404


def test_sigterm_is_forwarded_and_the_exit_code_kept(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise()
    pid = supervisor.wait_started()["pid"]
    assert supervisor.end() == b"started\nbye\n", "passed through"
    assert supervisor.running.returncode == 7
    assert not _is_running(pid)


def test_quiet_writes_only_the_log(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise("--quiet")
    supervisor.wait_started()
    assert supervisor.end() == b""
    assert supervisor.log.read_text() == "started\nbye\n"


def test_a_stubborn_command_is_killed_after_the_grace(supervise: Callable[..., Supervisor]) -> None:
    stubborn = [
        *COMMAND[:3],
        PROGRAM.replace("signal.SIGTERM, bye", "signal.SIGTERM, signal.SIG_IGN"),
    ]
    supervisor = supervise("--grace-s", "0.1", command=stubborn)
    pid = supervisor.wait_started()["pid"]
    supervisor.end()
    assert supervisor.running.returncode == 128 + signal.SIGKILL
    assert not _is_running(pid)


def test_a_command_that_does_not_exist_ends_it(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(command=["/no/such/command"])
    assert supervisor.running.wait(timeout=10) == 127


def test_ends_with_its_parent(tmp_path: Path) -> None:
    log = tmp_path / "command.log"
    started = [sys.executable, "-S", str(SCRIPT), "--listen", "127.0.0.1:0", "--log", str(log)]
    started += ["--with-parent", "--quiet", "--", "sh", "-c", "echo $$; exec sleep 60"]
    parent = "import subprocess, sys; subprocess.Popen(sys.argv[1:]); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", parent, *started], stdin=subprocess.PIPE
    ) as short_lived:
        pid = int(wait_until(lambda: log.exists() and log.read_text(), 10, "the command runs"))
        assert short_lived.stdin is not None
        short_lived.stdin.close()
    wait_until(lambda: not _is_running(pid), 10, "the command ended with the supervisor's parent")
