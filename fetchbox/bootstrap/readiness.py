"""Whether the worker is ready, asked with a deadline and mirrored in the gauge service_ready."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from fetchbox.model.failure import FetchBoxError
from fetchbox.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

DEADLINE_S: Final = 2.0
#: How often the gauge is refreshed when nobody asks.
REFRESH_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """`check` says whether the service can work; raising FetchBoxError says it cannot, and why."""

    service: str
    metrics: Metrics
    check: Callable[[], Awaitable[bool]]
    deadline_s: float = DEADLINE_S

    async def is_ready(self) -> bool:
        """Ask now."""
        is_ready = await self._ask()
        self.metrics.ready.labels(self.service).set(is_ready)
        return is_ready

    async def _ask(self) -> bool:
        try:
            async with asyncio.timeout(self.deadline_s):
                return await self.check()
        except TimeoutError:
            reason = f"no answer within {self.deadline_s:g} s"
        except FetchBoxError as error:
            reason = error.failure.message
        logger.warning("not ready", extra={"service": self.service, "reason": reason})
        return False

    async def refresh(self) -> None:
        """Keep the gauge fresh until cancelled."""
        while True:
            await self.is_ready()
            await asyncio.sleep(REFRESH_S)
