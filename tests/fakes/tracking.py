"""What is around a StatusFollower, driven until it has nothing left to do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fetchbox.broker.streams import OPERATORS, STATUS
from fetchbox.handlers.default import DefaultManifestHandler
from fetchbox.handlers.port import JobSummary
from fetchbox.handlers.registry import HandlerRegistry
from fetchbox.model.job import Job
from fetchbox.model.outcome import StatusEvent
from fetchbox.tracking.follow import StatusFollower
from fetchbox.wire.codec import decode_status, encode_status
from tests.fakes.broker import FakeBroker
from tests.fakes.ledger import NOW, FlakyLedger

UNREADABLE = b"\xff"


class RecordingHandler(DefaultManifestHandler):
    """Levers: `error`. For asserts: `summaries`."""

    def __init__(self) -> None:
        self.summaries: list[JobSummary] = []
        self.error: BaseException | None = None

    async def finalize_job(self, summary: JobSummary) -> None:
        self.summaries.append(summary)
        if self.error is not None:
            raise self.error


@dataclass
class Desk:
    """Everything around one follower."""

    broker: FakeBroker
    ledger: FlakyLedger
    handler: RecordingHandler = field(default_factory=RecordingHandler)
    delays: list[float] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hold: bool = False

    async def pause(self, delay_s: float) -> None:
        self.delays.append(delay_s)
        await asyncio.sleep(0)
        if self.hold:
            await asyncio.Event().wait()

    async def say(self, *events: StatusEvent) -> None:
        for event in events:
            await self.broker.publish(STATUS, event.job_id, [encode_status(event)])

    async def job(self, job_id: str) -> Job:
        job = await self.ledger.get(job_id)
        assert job is not None
        return job

    def told(self) -> list[StatusEvent]:
        """What the ledger has announced."""
        payloads = [each for each in self.broker.payloads(STATUS) if each != UNREADABLE]
        events = [decode_status(payload) for payload in payloads]
        return [event for event in events if event.source == "ledger"]

    def is_settled(self) -> bool:
        """Everything published has been committed."""
        committed = self.broker.log.committed[STATUS, OPERATORS]
        ends = {n: len(messages) for n, messages in enumerate(self.broker.log.topics[STATUS])}
        return all(committed.get(number, 0) == end for number, end in ends.items())

    def follower(self) -> StatusFollower:
        registry = HandlerRegistry()
        registry.register("default", self.handler)
        return StatusFollower(
            broker=self.broker,
            ledger=self.ledger,
            handlers=registry,
            clock=lambda: NOW + 1000,
            sleep=self.pause,
        )

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Run a follower beside the block; stop it politely afterwards."""
        self.stop.clear()
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            tasks.create_task(self.follower().run(self.stop))
            yield
            self.stop.set()

    async def until(self, check: Callable[[], bool]) -> None:
        """Let others run until `check` holds; the threads of the ledger take real time."""
        async with asyncio.timeout(5):
            while not check():
                await self.ledger.check()

    async def settle(self) -> None:
        """Follow until everything is settled, then stop."""
        async with self.following():
            await self.until(self.is_settled)
