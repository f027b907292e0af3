"""Following jobs.status: apply to the ledger, announce what has ended, settle.

Every step may be repeated, so a crash or an outage at any point costs time and nothing else: what
is not settled comes again, is skipped by its offset, and ends not announced are still due.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Final

from fetchbox.broker.port import Broker, BrokerUnavailableError, Message, Subscription
from fetchbox.broker.streams import OPERATORS, STATUS
from fetchbox.handlers.registry import HandlerRegistry
from fetchbox.ledger.port import Ledger
from fetchbox.model.clock import Clock
from fetchbox.model.job import Job
from fetchbox.model.outcome import StatusEvent
from fetchbox.tracking.announce import Announcer
from fetchbox.tracking.catch_up import NOTHING, CatchUp
from fetchbox.tracking.waits import Sleep, StoppedError, Waits
from fetchbox.wire.codec import UndecodableError, decode_status

logger = logging.getLogger(__name__)

WINDOW: Final = 1000
#: Decoding happens on the event loop that answers requests: in a backlog, a little at a time.
SLICE_BYTES: Final = 131_072

Events = dict[int, list[tuple[int, StatusEvent]]]


class StatusFollower:
    """Keeps the ledger in step with jobs.status. One per ledger."""

    def __init__(
        self,
        *,
        broker: Broker,
        ledger: Ledger,
        handlers: HandlerRegistry,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Take the ports; `sleep` passes the time between tries."""
        self._broker = broker
        self._ledger = ledger
        self._clock = clock
        self._sleep = sleep
        self._announcer = Announcer(broker=broker, ledger=ledger, handlers=handlers, clock=clock)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until stopped; a batch that is being applied is finished first."""
        waits = Waits(stop, self._sleep)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(waits.watch())
            try:
                await self._subscribe(waits)
            except StoppedError:
                pass
            finally:
                watching.cancel()

    async def _subscribe(self, waits: Waits) -> None:
        """Join the group, waiting for the topic to exist; then follow for good."""
        catch_up = CatchUp(broker=self._broker, ledger=self._ledger, clock=self._clock)
        await waits.insist("catch up", lambda: waits.until_stopped(catch_up.run))
        failed = 0
        while True:
            try:
                async with self._broker.subscribe(STATUS, OPERATORS, window=WINDOW) as messages:
                    failed = 0
                    await self._follow(messages, waits)
            except BrokerUnavailableError as error:
                failed += 1
                logger.warning("cannot follow jobs.status", extra={"reason": str(error)})
                await waits.back_off(failed)

    async def _follow(self, subscription: Subscription, waits: Waits) -> None:
        while True:
            messages = await waits.insist("read", lambda: waits.until_stopped(subscription.next))
            for part in _slices(messages):
                await self._take(part, subscription, waits)

    async def _take(
        self, messages: Sequence[Message], subscription: Subscription, waits: Waits
    ) -> None:
        events = _decode(messages)
        ended = await waits.insist("apply", lambda: self._apply(events))
        if ended:
            await waits.insist("announce", lambda: self._announcer.announce_all(ended))
            await waits.insist("mark", lambda: self._ledger.mark_announced(ended))
        await waits.insist("settle", lambda: subscription.settle(messages))

    async def _apply(self, events: Events) -> Sequence[Job]:
        """Apply the partitions in one transaction; return what has ended, each job once."""
        now_ms = self._clock()
        results = await asyncio.gather(
            *(self._ledger.apply(number, run, now_ms=now_ms) for number, run in events.items())
        )
        return list({job.job_id: job for jobs in results for job in jobs}.values())


def _slices(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Cut a batch into runs of about SLICE_BYTES."""
    start = size = 0
    for index, message in enumerate(messages, 1):
        size += len(message.payload)
        if size >= SLICE_BYTES:
            yield messages[start:index]
            start, size = index, 0
    if start < len(messages):
        yield messages[start:]


def _decode(messages: Sequence[Message]) -> Events:
    """Decode and sort out by partition."""
    events: Events = {}
    for message in messages:
        event = _decode_or_skip(message)
        events.setdefault(message.partition, []).append((message.offset, event))
    return events


def _decode_or_skip(message: Message) -> StatusEvent:
    try:
        return decode_status(message.payload)
    except UndecodableError as error:
        place = {"partition": message.partition, "offset": message.offset}
        logger.error(  # noqa: TRY400  # the reason is all there is to say
            "status message skipped", extra={"reason": error.failure.message, **place}
        )
        return NOTHING
