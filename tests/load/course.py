"""The course of a run: send, look once a second, wait until the backlog is gone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from tests.load.meters import Sample, Senses, Watch
from tests.load.plan import Workload
from tests.load.sender import LEAD_S, Api, Sender, feel_lag
from tests.load.tally import Tally

EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What happened, second by second."""

    tally: Tally
    samples: Sequence[Sample]
    #: When the last answer had come, and when the backlog was gone, in seconds of the run.
    sent_s: float
    ended_s: float

    @property
    def sending(self) -> Sequence[Sample]:
        """The samples of the time in which manifests were sent."""
        return [each for each in self.samples if each.at_s <= self.sent_s + EVERY_S]


@dataclass(kw_only=True)
class Runner:
    """One run."""

    workload: Workload
    api: Api
    senses: Senses
    late_s: float
    now_ms: Callable[[], float]
    #: How long the backlog may take once everything is sent.
    drain_s: float
    show: Callable[[Sample, Tally], None]
    #: What is to happen between the last answer and the wait for the backlog.
    once_sent: Callable[[], Awaitable[None]] | None = None
    samples: list[Sample] = field(default_factory=list)

    async def run(self) -> Course:
        """Run it."""
        loop = asyncio.get_running_loop()
        tally = Tally(late_s=self.late_s)
        await self.senses.events.skip()
        begun = loop.time() + LEAD_S
        watch = Watch(senses=self.senses, tally=tally, begun=begun)
        await watch.begin()
        sent = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            feeling = group.create_task(feel_lag(tally))
            group.create_task(self._watch(watch, sent))
            sender = Sender(api=self.api, tally=tally, now_ms=self.now_ms)
            await sender.send(self.workload.orders())
            sent_s = loop.time() - begun
            feeling.cancel()
            if self.once_sent is not None:
                await self.once_sent()
            sent.set()
        return Course(tally=tally, samples=self.samples, sent_s=sent_s, ended_s=loop.time() - begun)

    async def _watch(self, watch: Watch, sent: asyncio.Event) -> None:
        """Look once a second; a look is never cut short, as events are told only once."""
        loop = asyncio.get_running_loop()
        due = watch.begun
        while not sent.is_set():
            # After a look that took longer, as when the service stalls, not several at once.
            due = max(due + EVERY_S, loop.time() + EVERY_S / 2)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(due - loop.time(), 0)):
                    await sent.wait()
            self._take(await watch.look(), watch.tally)
        deadline = loop.time() + self.drain_s
        while watch.tally.backlog > 0 and loop.time() < deadline:
            await asyncio.sleep(EVERY_S)
            self._take(await watch.look(), watch.tally)

    def _take(self, sample: Sample, tally: Tally) -> None:
        self.samples.append(sample)
        self.show(sample, tally)
