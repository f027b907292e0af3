"""Runs one command and lets tests kill, stop and start it over HTTP. Also PID 1 in a container.

    python supervisor.py --listen HOST:PORT --log FILE [--respawn] [--reload FOLDER] -- COMMAND...

GET /state; POST /kill?signal=KILL|TERM|STOP|CONT, /start, /stop. Copied alone into containers:
standard library only, imports nothing of this repository.
"""

import argparse
import json
import os
import select
import signal
import sys
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from threading import Condition, Thread
from typing import Final
from urllib.parse import parse_qs, urlsplit

SIGNALS: Final = {name: getattr(signal, f"SIG{name}") for name in ("KILL", "TERM", "STOP", "CONT")}
ENDING: Final = {"KILL", "TERM"}
#: How long a request waits for the end of the command.
END_WITHIN_S: Final = 30.0
RESPAWN_PAUSE_S: Final = 0.2
CHUNK_BYTES: Final = 65_536
UNKNOWN: Final = "there are GET /state, POST /kill, /start, /stop"


class RefusedError(Exception):
    """The request makes no sense in this state; becomes the answer's status and text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(kw_only=True)
class Supervised:
    """The command and its current run. Every change is announced on `changed`."""

    command: list[str]
    log: Path
    is_quiet: bool
    respawn: bool
    changed: Condition = field(default_factory=Condition)
    pid: int | None = None
    starts: int = 0
    exit_code: int | None = None
    is_wanted: bool = True
    ended_at: float = 0.0

    def state(self) -> dict[str, int | None]:
        return {"pid": self.pid, "starts": self.starts, "exit_code": self.exit_code}

    def start(self) -> None:
        """Start the command in a group of its own."""
        with self.changed:
            if self.pid is not None:
                raise RefusedError(409, f"already running as {self.pid}")
            self.is_wanted = True
            target, pump = self._output()
            try:
                self.pid = os.posix_spawnp(
                    self.command[0],
                    self.command,
                    os.environ,
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, target, 1),
                        (os.POSIX_SPAWN_DUP2, target, 2),
                    ],
                    setpgroup=0,
                    setsigdef=[signal.SIGPIPE],
                    setsigmask=[],
                )
            except OSError as error:
                raise RefusedError(500, f"cannot start {self.command[0]}: {error}") from error
            finally:
                os.close(target)
            self.starts += 1
            self.exit_code = None
            self.changed.notify_all()
        if pump is not None:
            Thread(target=_pass_through, args=(pump, self.log), daemon=True).start()

    def _output(self) -> tuple[int, int | None]:
        """Return where the command writes to, and what has to be pumped from."""
        if self.is_quiet:
            return os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), None
        pump, target = os.pipe()
        return target, pump

    def send(self, name: str) -> None:
        """Signal the command; for those that end it, wait until it is gone."""
        with self.changed:
            pid, starts = self.pid, self.starts
            if pid is None:
                raise RefusedError(409, "not running")
            if name in ENDING:
                self.is_wanted = False
            os.killpg(pid, SIGNALS[name])
            if name not in ENDING:
                return
            if not self.changed.wait_for(
                lambda: self.pid is None or self.starts != starts, END_WITHIN_S
            ):
                raise RefusedError(504, f"still running {END_WITHIN_S:g} s after {name}")

    def stop(self) -> None:
        """End the command the polite way; nothing to do when it is not running."""
        if self.pid is not None:
            self.send("TERM")
        self.is_wanted = False

    def kill_leniently(self, name: str) -> None:
        """Signal the group if there still is one."""
        with self.changed:
            if self.pid is not None:
                os.killpg(self.pid, SIGNALS[name])

    def reap(self) -> None:
        """Collect every ended process: ours, and as PID 1 the orphans of the container."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._note_end(pid, os.waitstatus_to_exitcode(status))

    def _note_end(self, pid: int, exit_code: int) -> None:
        with self.changed:
            if pid == self.pid:
                self.pid, self.exit_code = None, exit_code
                self.ended_at = time.monotonic()
                self.changed.notify_all()

    def respawn_if_due(self) -> None:
        with self.changed:
            rested = time.monotonic() - self.ended_at > RESPAWN_PAUSE_S
            is_due = self.respawn and self.is_wanted and self.pid is None and rested
        if is_due:
            self.start()


def _pass_through(source: int, log: Path) -> None:
    """Copy the command's output to its log and to our own output, until it ends."""
    with log.open("ab", buffering=0) as file:
        while chunk := os.read(source, CHUNK_BYTES):
            file.write(chunk)
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    os.close(source)


class ControlServer(ThreadingHTTPServer):
    """The control port of one command."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], supervised: Supervised) -> None:
        super().__init__(address, Requests)
        self.supervised = supervised

    def server_bind(self) -> None:
        """Bind without looking up our own name, which takes seconds where there is no DNS."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # str here


class Requests(BaseHTTPRequestHandler):
    """GET /state, POST /kill, /start, /stop."""

    server: ControlServer

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/state":
            self._answer(200, self.server.supervised.state())
        else:
            self._answer(404, {"error": UNKNOWN})

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        try:
            self._act(url.path, parse_qs(url.query).get("signal", ["KILL"])[0])
        except RefusedError as error:
            self._answer(error.status, {"error": str(error), **self.server.supervised.state()})
        else:
            self._answer(200, self.server.supervised.state())

    def _act(self, path: str, signal_name: str) -> None:
        if path == "/start":
            self.server.supervised.start()
        elif path == "/stop":
            self.server.supervised.stop()
        elif path != "/kill":
            raise RefusedError(404, UNKNOWN)
        elif signal_name not in SIGNALS:
            raise RefusedError(400, f"signal: one of {', '.join(SIGNALS)}, not {signal_name}")
        else:
            self.server.supervised.send(signal_name)

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - library's name
        """Stay quiet: the output is the command's."""


def newest(folder: Path | None) -> float:
    """Return when the code in a folder last changed."""
    if folder is None:
        return 0.0
    return max((path.stat().st_mtime for path in folder.rglob("*.py")), default=0.0)


def _run(supervised: Supervised, parent: int | None, grace_s: float, reload: Path | None) -> int:
    """Stay until told to end, or until the parent has gone; return the exit code to end with."""
    ending: list[int] = []
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: ending.append(received))
    supervised.start()
    seen = newest(reload)
    while not ending and parent in (None, os.getppid()):
        if select.select([woken], [], [], RESPAWN_PAUSE_S)[0]:
            os.read(woken, CHUNK_BYTES)
        supervised.reap()
        supervised.respawn_if_due()
        if (found := newest(reload)) != seen:
            seen = found
            supervised.kill_leniently("TERM")
    return _end(supervised, grace_s)


def _end(supervised: Supervised, grace_s: float) -> int:
    """Forward the end to the command, first politely."""
    supervised.is_wanted = False
    for name, within_s in (("TERM", grace_s), ("KILL", 5.0)):
        supervised.kill_leniently(name)
        supervised.kill_leniently("CONT")
        deadline = time.monotonic() + within_s
        while supervised.pid is not None and time.monotonic() < deadline:
            time.sleep(0.01)
            supervised.reap()
    code = supervised.exit_code or 0
    return 128 - code if code < 0 else code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument(
        "--log", required=True, metavar="FILE", help="{host} in it becomes the name of this host"
    )
    parser.add_argument("--respawn", action="store_true", help="start again whenever it ends")
    parser.add_argument(
        "--reload", type=Path, metavar="FOLDER", help="start again when code in it changes"
    )
    parser.add_argument("--quiet", action="store_true", help="output only to the log")
    parser.add_argument("--with-parent", action="store_true", help="end when the parent ends")
    parser.add_argument("--grace-s", type=float, default=4.0, help="between SIGTERM and SIGKILL")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def main() -> int:
    """Serve the control port beside the command."""
    given = _arguments()
    log = Path(given.log.replace("{host}", os.uname().nodename))
    supervised = Supervised(
        command=given.command,
        log=log,
        is_quiet=given.quiet,
        respawn=given.respawn or given.reload is not None,
    )
    host, _, port = given.listen.rpartition(":")
    parent = os.getppid() if given.with_parent else None
    server = ControlServer((host, int(port)), supervised)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 60}, daemon=True).start()
    try:
        return _run(supervised, parent, given.grace_s, given.reload)
    except RefusedError as error:
        sys.stderr.write(f"supervisor: {error}\n")
        return 127


if __name__ == "__main__":
    sys.exit(main())
