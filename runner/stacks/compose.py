"""The compose stack, seen from its runner container: addresses come from the environment.

The name of a scaled service has one address per container; each becomes a URL of its own.
"""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from runner.stacks.given import await_all
from runner.stacks.port import Addresses, Running, StackError
from runner.waiting import Endpoint, NotYetError, WaitFailedError, wait_until

NAME_WITHIN_S: Final = 30.0
#: How long each may take from the start of this container; the others have begun before it.
WITHIN_S: Final[Mapping[str, float]] = {
    "iggy": 60.0,
    "s3": 60.0,
    "peers": 30.0,
    "upstream": 90.0,
    "hidden-upstream": 90.0,
    "proxy": 90.0,
}
#: API and workers are ready only when everything else is.
SERVICE_WITHIN_S: Final = 120.0


def containers_of(host: str) -> list[str]:
    """Return the address of every container behind a service's name."""
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except socket.gaierror as error:
        message = f"the name never resolved: {error}"
        raise NotYetError(message) from error
    return sorted({str(entry[4][0]) for entry in found})


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeStack:
    """Started by the engine; waited for here, service by service."""

    environment: Mapping[str, str]
    lookup: Callable[[str], list[str]] = containers_of
    name: str = "compose"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """Wait until everything answers; raises StackError with all that does not, and why."""
        begun = time.monotonic()
        addresses = self.addresses()
        yield Running(
            addresses=addresses, waterfall=await_all(endpoints_of(addresses), begun=begun)
        )

    def addresses(self) -> Addresses:
        """Return the addresses, with every worker's own."""
        given = Addresses.from_environment(self.environment)
        return replace(
            given,
            worker_metrics=self._each(given.worker_metrics),
            worker_supervisors=self._each(given.worker_supervisors),
        )

    def _each(self, urls: str) -> str:
        return ",".join(each for url in urls.split(",") for each in self._containers(url))

    def _containers(self, url: str) -> list[str]:
        parts = urlsplit(url)
        host = parts.hostname or ""
        try:
            found = wait_until(
                lambda: self.lookup(host), NAME_WITHIN_S, f"the containers of {host}"
            )
        except WaitFailedError as error:
            raise StackError(str(error)) from None
        return [f"{parts.scheme}://{address}:{parts.port}{parts.path}" for address in found]


def endpoints_of(addresses: Addresses) -> list[Endpoint]:
    """Return what has to answer, each with a deadline of its own."""
    endpoints = addresses.endpoints()
    broker = urlsplit(addresses.broker)
    if broker.scheme == "iggy":
        url = f"tcp://{broker.hostname}:{broker.port}"
        endpoints.insert(0, Endpoint(name="iggy", url=url))
    return [
        replace(endpoint, within_s=WITHIN_S.get(endpoint.name, SERVICE_WITHIN_S))
        for endpoint in endpoints
    ]
