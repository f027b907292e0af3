"""Waiting for what is away: topics that do not exist yet, a broker that does not answer.

Services start and stay up without their broker; they say so and try again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from fetchbox.broker.port import Broker, BrokerUnavailableError
from fetchbox.model.failure import FetchBoxError

logger = logging.getLogger(__name__)

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 5.0


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not past `stop`."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def persist(what: str, attempt: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Do something until it succeeds or `stop` is set; failures are logged and tried again.

    The first failure is no warning: services that start together wait for each other.
    """
    wait_s = FIRST_WAIT_S
    while not stop.is_set():
        try:
            await attempt()
        except FetchBoxError as error:
            facts = {"attempted": what, "reason": error.failure.message, "retry_in_s": wait_s}
            level = logging.INFO if wait_s == FIRST_WAIT_S else logging.WARNING
            logger.log(level, "not possible yet", extra=facts)
            await pause(stop, wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
        else:
            return


async def wait_for_topic(broker: Broker, topic: str, stop: asyncio.Event) -> None:
    """Return once a topic exists, or `stop` is set."""

    async def look() -> None:
        if not await broker.describe(topic):
            msg = f"topic {topic} does not exist yet: the API creates it (broker.auto_provision)"
            raise BrokerUnavailableError(msg)

    await persist(f"find topic {topic}", look, stop)
