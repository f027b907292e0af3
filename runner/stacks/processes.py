"""Processes of a stack: started in sessions of their own, ended with all their descendants."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

GUARD: Final = Path(__file__).with_name("guard.py")
#: How long processes have to end by themselves.
GRACE_S: Final = 10.0
SHOWN_LINES: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A process of the stack and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    output: Path

    def ended(self) -> str | None:
        """Return why this process can never answer, once it has ended."""
        code = self.process.poll()
        return None if code is None else f"{self.name} ended with {code}"


@dataclass(kw_only=True)
class Processes:
    """All processes of one stack. At the end of the context none is left."""

    scratch: Path
    started: list[Started] = field(default_factory=list)
    exit_codes: dict[str, int] = field(default_factory=dict)
    _guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the guard, which acts should this process be killed."""
        self._guard = subprocess.Popen(
            [sys.executable, "-S", "-E", str(GUARD), str(self.scratch)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End everything."""
        self.end()
        if self._guard is not None:
            self._guard.communicate()

    def start(
        self, name: str, command: Sequence[str], output: Path, env: Mapping[str, str]
    ) -> Started:
        """Start a process whose output goes to a file."""
        with output.open("ab") as target:
            process = subprocess.Popen(
                command,
                cwd=self.scratch,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=target,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._tell_guard(process.pid)
        self.started.append(Started(name=name, process=process, output=output))
        return self.started[-1]

    def _tell_guard(self, group: int) -> None:
        stream: IO[bytes] | None = self._guard.stdin if self._guard else None
        if stream is not None:
            stream.write(f"{group}\n".encode())
            stream.flush()

    def end(self) -> None:
        """SIGTERM, then SIGKILL, to every session; whatever they left behind as well."""
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        for started in self.started:
            with suppress(subprocess.TimeoutExpired):
                started.process.wait(max(deadline - time.monotonic(), 0.01))
        self._signal_all(signal.SIGKILL)
        for pid in _members({started.process.pid for started in self.started}):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for started in self.started:
            self.exit_codes[started.name] = started.process.wait()
        self.started.clear()

    def _signal_all(self, number: signal.Signals) -> None:
        for started in self.started:
            if started.process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(started.process.pid, number)


def _members(sessions: set[int]) -> list[int]:
    """Return the processes of these sessions, where the system lists them (Linux)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            after_name = stat.read_text().rpartition(")")[2].split()
            if int(after_name[3]) in sessions:
                found.append(int(stat.parent.name))
    return found


def last_lines(path: Path, count: int = SHOWN_LINES) -> str:
    """Return the end of a file, as far as there is one."""
    if not path.exists():
        return f"  ({path.name} was never written)"
    lines = path.read_text(errors="replace").splitlines()[-count:]
    return "\n".join(f"  | {line}" for line in lines) or f"  ({path.name} is empty)"
