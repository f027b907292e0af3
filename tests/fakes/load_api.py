"""An API that takes every job after a while, and can stall, refuse or use the generator up."""

import asyncio
from dataclasses import dataclass, field

from tests.fakes.virtual_loop import virtual_loop
from tests.load.plan import Order
from tests.load.tally import Answer


@dataclass(kw_only=True)
class FakeLoadApi:
    """The levers are fields."""

    answers_after_s: float = 0.005
    #: From and to: whoever comes in between waits for the end of it.
    stall: tuple[float, float] = (0.0, 0.0)
    #: Seconds each submission takes of the generator itself.
    work_s: float = 0.0
    problems: list[str] = field(default_factory=list)
    seen: list[tuple[float, Order]] = field(default_factory=list)

    async def submit(self, order: Order) -> Answer:
        """See `Api`."""
        loop = virtual_loop()
        self.seen.append((loop.time(), order))
        loop.work(self.work_s)
        begun, end = self.stall
        if begun <= loop.time() < end:
            await asyncio.sleep(end - loop.time())
        await asyncio.sleep(self.answers_after_s)
        if self.problems:
            return Answer(problem=self.problems.pop(0))
        return Answer(job_id=f"job-{order.number}")
