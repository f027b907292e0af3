"""Kill, stop and start the processes of the stack, through the supervisor of each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import requests

from tests.common.faults import note_fault
from tests.common.metrics import scrape, total

#: A stop may take as long as the drain of a worker.
TIMEOUT_S: Final = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervised:
    """One process. `ready_url` answers 200 when it serves; a worker has its metrics beside it."""

    name: str
    supervisor: str
    ready_url: str

    def state(self) -> dict[str, Any]:
        """Return pid, starts and exit_code."""
        return self._ask("GET", "/state")

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self.state()["pid"] is not None

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        note_fault(self.name, "SIGKILL")
        self._ask("POST", "/kill?signal=KILL")

    def terminate(self) -> None:
        """SIGTERM; returns when it is gone."""
        note_fault(self.name, "SIGTERM")
        self._ask("POST", "/kill?signal=TERM")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP, and SIGCONT at the end: it is there, and does nothing."""
        note_fault(self.name, "SIGSTOP")
        self._ask("POST", "/kill?signal=STOP")
        try:
            yield
        finally:
            self._ask("POST", "/kill?signal=CONT")
            note_fault(self.name, "SIGCONT")

    def start(self) -> None:
        """Start it again; returns before it serves."""
        note_fault(self.name, "started again")
        self._ask("POST", "/start")

    def is_ready(self) -> bool:
        """Whether it serves."""
        try:
            return _status_of(self.ready_url) == HTTPStatus.OK
        except requests.ConnectionError:
            return False

    def metric(self, name: str) -> float:
        """Return one of its metrics, summed over labels."""
        return total(scrape(self.ready_url.removesuffix("/health/ready")), name)

    def _ask(self, verb: str, path: str) -> dict[str, Any]:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(verb, self.supervisor + path, timeout=TIMEOUT_S)
        assert answer.ok, f"{self.name}: {verb} {path}: {answer.status_code} {answer.text[:300]}"
        state: dict[str, Any] = answer.json() if answer.content else {}
        return state


def _status_of(url: str) -> int:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=3).status_code
