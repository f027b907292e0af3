"""A stack that somebody else has started: its addresses are in the environment."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from runner.stacks.port import Addresses, Readiness, Running, StackError
from runner.waiting import Endpoint, wait_for

#: Images may still be starting.
WITHIN_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenStack:
    """What the compose stack is to its runner container."""

    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        """What the environment calls it."""
        return self.environment.get("FETCHBOX_TEST_STACK", "given")

    @contextmanager
    def running(self) -> Iterator[Running]:
        """Wait until everything answers; raises StackError with all that do not."""
        addresses = Addresses.from_environment(self.environment)
        begun = time.monotonic()

        def await_one(endpoint: Endpoint) -> Readiness:
            wait_for(replace(endpoint, within_s=WITHIN_S))
            return Readiness(name=endpoint.name, started_s=0.0, ready_s=time.monotonic() - begun)

        with ThreadPoolExecutor() as threads:
            futures = [threads.submit(await_one, endpoint) for endpoint in addresses.endpoints()]
        errors = [str(error) for future in futures if (error := future.exception())]
        if errors:
            raise StackError("\n".join(errors))
        yield Running(addresses=addresses, waterfall=[future.result() for future in futures])
