"""Pruning the ledger at start and every hour, and telling every minute how large it is."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from fetchbox.ledger.port import Ledger, LedgerError, Retention
from fetchbox.model.clock import Clock
from fetchbox.telemetry.metrics import Metrics
from fetchbox.tracking.waits import Sleep, StoppedError, Waits

logger = logging.getLogger(__name__)

INTERVAL_S: Final = 3600
#: How old the gauges may be.
GAUGES_S: Final = 60


class Pruner:
    """Applies the retention of a ledger."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        retention: Retention,
        metrics: Metrics,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`sleep` passes the time between rounds."""
        self._ledger = ledger
        self._retention = retention
        self._metrics = metrics
        self._clock = clock
        self._sleep = sleep

    async def prune_once(self) -> int:
        """Prune, count, and refresh the gauges; return how many jobs went; raises LedgerError."""
        pruned = await self._ledger.prune(self._retention, now_ms=self._clock())
        self._metrics.ledger_pruned.inc(pruned)
        left = await self.measure()
        if pruned:
            logger.info("ledger pruned", extra={"jobs": pruned, "left": left})
        return pruned

    async def measure(self) -> int:
        """Refresh the gauges; return how many jobs there are; raises LedgerError."""
        stats = await self._ledger.stats()
        self._metrics.ledger_jobs.set(stats.jobs)
        self._metrics.ledger_size.set(stats.size_bytes)
        return stats.jobs

    async def run(self, stop: asyncio.Event) -> None:
        """Prune now and every hour until stopped; a failure is logged and waits for its turn."""
        waits = Waits(stop, self._sleep)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(waits.watch())
            try:
                while True:
                    await self._try(waits, self.prune_once)
                    for _ in range(INTERVAL_S // GAUGES_S):
                        await waits.until_stopped(lambda: self._sleep(GAUGES_S))
                        await self._try(waits, self.measure)
            except StoppedError:
                pass
            finally:
                watching.cancel()

    async def _try(self, waits: Waits, work: Callable[[], Awaitable[int]]) -> None:
        try:
            await waits.until_stopped(work)
        except LedgerError as error:
            logger.warning("upkeep of the ledger failed", extra={"reason": str(error)})
