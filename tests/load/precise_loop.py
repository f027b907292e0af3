"""An event loop that wakes up on the microsecond: epoll's own timeout has whole milliseconds.

Else every planned instant would be missed by up to one, and latencies would hold that much of ours.
"""

import asyncio
import select
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class PreciseSelector(selectors.DefaultSelector):
    """Waits for the selector's own descriptor, with a call that takes microseconds."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until something is ready or the time is up."""
        if timeout is not None and timeout > 0:
            select.select([self], [], [], timeout)
            timeout = 0
        return super().select(timeout)


def run_precisely(main: Coroutine[Any, Any, T]) -> T:
    """Do as `asyncio.run` does."""

    def make() -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(PreciseSelector())

    with asyncio.Runner(loop_factory=make) as runner:
        return runner.run(main)
