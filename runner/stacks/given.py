"""A stack that somebody else has started: its addresses are in the environment."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from runner.stacks.port import Addresses, Readiness, Running, StackError
from runner.waiting import Endpoint, wait_for

#: It may still be starting.
WITHIN_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenStack:
    """Whatever answers at the addresses; also one that nobody of us knows."""

    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        """What the environment calls it."""
        return self.environment.get("FETCHBOX_TEST_STACK", "given")

    @contextmanager
    def running(self) -> Iterator[Running]:
        """Wait until everything answers; raises StackError with all that do not."""
        begun = time.monotonic()
        addresses = Addresses.from_environment(self.environment)
        endpoints = [replace(each, within_s=WITHIN_S) for each in addresses.endpoints()]
        yield Running(addresses=addresses, waterfall=await_all(endpoints, begun=begun))


def await_all(endpoints: Sequence[Endpoint], *, begun: float) -> list[Readiness]:
    """Wait for all side by side; raises StackError with every reason there is."""

    def await_one(endpoint: Endpoint) -> Readiness:
        wait_for(endpoint)
        return Readiness(name=endpoint.name, started_s=0.0, ready_s=time.monotonic() - begun)

    with ThreadPoolExecutor(max_workers=len(endpoints)) as threads:
        futures = [threads.submit(await_one, endpoint) for endpoint in endpoints]
    errors = [str(error) for future in futures if (error := future.exception())]
    if errors:
        raise StackError("\n".join(errors))
    return [future.result() for future in futures]
