"""Sends every order at its planned instant, however long earlier answers take (open model).

A latency begins at the planned instant. Nothing is left out: what leaves late is counted as late,
and what is never answered as a problem.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from tests.load.plan import Order
from tests.load.tally import Answer, Tally

#: Time to get ready before the first order is due.
LEAD_S: Final = 0.2
#: How often the event loop is asked whether it still comes round.
TICK_S: Final = 0.02


class Api(Protocol):
    """Where manifests go."""

    async def submit(self, order: Order) -> Answer:
        """Send one; whatever goes wrong is the answer's problem, never an exception."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """One run of the schedule."""

    api: Api
    tally: Tally
    #: The wall clock, in milliseconds.
    now_ms: Callable[[], float]

    async def send(self, orders: Iterable[Order]) -> None:
        """Send all, and return when the last is answered."""
        loop = asyncio.get_running_loop()
        begun = loop.time() + LEAD_S
        begun_ms = self.now_ms() + LEAD_S * 1e3
        async with asyncio.TaskGroup() as group:
            for order in orders:
                self.tally.planned += 1
                # Also yields when it is behind, so that what is due does leave.
                await asyncio.sleep(max(begun + order.at_s - loop.time(), 0))
                group.create_task(self._send_one(order, begun + order.at_s, begun_ms))

    async def _send_one(self, order: Order, due: float, begun_ms: float) -> None:
        loop = asyncio.get_running_loop()
        self.tally.departed(loop.time() - due)
        answer = await self.api.submit(order)
        self.tally.arrived(order, begun_ms + order.at_s * 1e3, loop.time() - due, answer)


async def feel_lag(tally: Tally) -> None:
    """Record how late the event loop wakes up, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK_S
        await asyncio.sleep(TICK_S)
        tally.loop_lag.record(loop.time() - due)
