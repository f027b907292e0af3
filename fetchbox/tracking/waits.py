"""Waiting that a stop cuts short, and trying again until it works."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from fetchbox.broker.port import BrokerUnavailableError
from fetchbox.ledger.port import LedgerError
from fetchbox.model.retry import RetryPolicy, backoff_ms

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

logger = logging.getLogger(__name__)

#: Never gives up: what is tried is already durable in the log, and waits there.
PATIENCE: Final = RetryPolicy(max_attempts=0, base_ms=100, cap_ms=5_000)


class StoppedError(Exception):
    """The stop came while waiting."""


class Waits:
    """The waits of one loop that ends with `stop`."""

    def __init__(self, stop: asyncio.Event, sleep: Sleep) -> None:
        """`sleep` passes the time between tries."""
        self._stop = stop
        self._sleep = sleep
        self._deadline: asyncio.Timeout | None = None

    async def watch(self) -> None:
        """Cut short the wait at hand when the stop comes; run beside the loop."""
        await self._stop.wait()
        if self._deadline is not None:
            self._deadline.reschedule(0)

    async def until_stopped(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await `work` unless the stop comes first: then it is cancelled, with StoppedError."""
        if self._stop.is_set():
            raise StoppedError
        try:
            async with asyncio.timeout(None) as self._deadline:
                return await work()
        except TimeoutError:
            if not self._stop.is_set():
                raise
            raise StoppedError from None
        finally:
            self._deadline = None

    async def insist(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        """Try until broker and ledger let it through, waiting longer from try to try."""
        failed = 0
        while True:
            try:
                return await work()
            except (BrokerUnavailableError, LedgerError) as error:
                failed += 1
                level = logging.WARNING if failed == 1 else logging.INFO
                extra = {"what": what, "tries": failed, "reason": str(error)}
                logger.log(level, "status updates are held up", extra=extra)
                await self.back_off(failed)

    async def back_off(self, failed: int) -> None:
        """Wait after the n-th failure; raises StoppedError."""
        delay_s = backoff_ms(PATIENCE.base_ms, failed, PATIENCE.cap_ms) / 1000
        await self.until_stopped(lambda: self._sleep(delay_s))
