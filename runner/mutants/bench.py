"""One embedded stack for all mutants: only API and workers start anew, each time on empty files."""

import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from runner.mutants.catalogue import NONE, service_of
from runner.stacks.embedded import EmbeddedStack
from runner.stacks.port import Addresses, Place, StackError
from runner.stacks.processes import last_lines
from runner.waiting import Endpoint, WaitFailedError, wait_for

#: How long a service may take to serve again.
WITHIN_S: Final = 30.0
CALL_S: Final = 20.0
SERVICES: Final = ("api", "worker-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A stack whose service can be exchanged."""

    addresses: Addresses
    #: Says which mutant a service is when it starts.
    choice: Path

    def put_on(self, name: str) -> None:
        """Start API and workers as this mutant, with nothing of before; raises StackError."""
        supervisors = [
            self.addresses.api_supervisor,
            *self.addresses.worker_supervisors.split(","),
        ]
        self._tell(supervisors, "/kill?signal=KILL", "/stop")
        self._forget()
        self.choice.write_text(name, encoding="utf-8")
        self._tell(supervisors, "/start")
        endpoints = [
            endpoint
            for endpoint in self.addresses.endpoints()
            if endpoint.name.startswith(SERVICES)
        ]
        with ThreadPoolExecutor(max_workers=len(endpoints)) as threads:
            list(threads.map(self._await, endpoints))

    def _tell(self, supervisors: list[str], *paths: str) -> None:
        with ThreadPoolExecutor(max_workers=len(supervisors)) as threads:
            for path in paths:
                list(threads.map(_post, supervisors, [path] * len(supervisors)))

    def _forget(self) -> None:
        """Remove broker and ledger, and empty the logs."""
        scratch = Path(urlsplit(self.addresses.broker).path).parent
        for path in (*scratch.glob("broker.db*"), scratch / "ledger"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for log in Path(self.addresses.logs).glob("*.log"):
            log.write_bytes(b"")

    def _await(self, endpoint: Endpoint) -> None:
        try:
            wait_for(Endpoint(name=endpoint.name, url=endpoint.url, within_s=WITHIN_S))
        except WaitFailedError as error:
            log = Path(self.addresses.logs) / f"{endpoint.name}.log"
            message = f"it does not start: {error}\n{last_lines(log)}"
            raise StackError(message) from None


@contextmanager
def bench(place: Place, environment: Mapping[str, str]) -> Iterator[Bench]:
    """Bring the stack up, the product as it is on it."""
    choice = place.artifacts / "mutant"
    choice.parent.mkdir(parents=True, exist_ok=True)
    choice.write_text(NONE, encoding="utf-8")
    service = service_of(f"@{choice}", place.root)
    stack = EmbeddedStack(place=place, environment={**environment, **service})
    with stack.running() as running:
        yield Bench(addresses=running.addresses, choice=choice)


def _post(supervisor: str, path: str) -> None:
    """Tell a supervisor; that there is nothing to kill or to stop is no fault."""
    parts = urlsplit(supervisor)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=CALL_S)
    try:
        connection.request("POST", path)
        connection.getresponse().read()
    except OSError as error:
        message = f"the supervisor at {supervisor} does not answer: {error}"
        raise StackError(message) from error
    finally:
        connection.close()
