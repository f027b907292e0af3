"""Bringing a ledger in line with the log before following it.

A ledger restored from a backup, or started anew, is behind what the group has committed: it is
given what it lacks, as far back as the log reaches. One that is ahead follows another log now.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from fetchbox.broker.port import Broker, Message, PartitionSpan
from fetchbox.broker.streams import OPERATORS, STATUS
from fetchbox.ledger.port import Ledger
from fetchbox.model.clock import Clock
from fetchbox.model.job import Job
from fetchbox.model.outcome import StatusEvent
from fetchbox.tracking.announce import SOURCE
from fetchbox.wire.codec import UndecodableError, decode_status

logger = logging.getLogger(__name__)

_PAGE: Final = 500
#: Stands for a message that cannot be read.
NOTHING: Final = StatusEvent(job_id="", job_type="", state=None)


@dataclass(slots=True, kw_only=True)
class CatchUp:
    """Run before subscribing; harmless to repeat."""

    broker: Broker
    ledger: Ledger
    clock: Clock
    told: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Compare every partition with the ledger; raises BrokerUnavailableError, LedgerError."""
        applied = await self.ledger.applied()
        for span in await self.broker.describe(STATUS):
            position = applied.get(span.partition, -1)
            if position >= span.next:
                extra = {"partition": span.partition, "applied": position, "next": span.next}
                logger.warning("jobs.status was replaced; following the new log", extra=extra)
                await self.ledger.rewind(span.partition)
                position = -1
            await self._fill(span, max(position + 1, span.first))

    async def _fill(self, span: PartitionSpan, start: int) -> None:
        """Apply what the group has passed and the ledger has not seen.

        Where the broker cannot tell how far the group is, that may be everything.
        """
        end = span.committed.get(OPERATORS, span.next)
        if start >= end:
            return
        extra = {"partition": span.partition, "from": start, "to": end}
        logger.info("the ledger is behind jobs.status; catching up", extra=extra)
        due: Sequence[Job] = ()
        while start < end:
            limit = min(_PAGE, end - start)
            page = [
                message
                async for message in self.broker.read(STATUS, span.partition, start, limit=limit)
            ]
            page = [message for message in page if message.offset < end]
            if not page:
                break
            due = await self._apply(span.partition, page)
            start = page[-1].offset + 1
        await self._drop_told(span.partition, due)

    async def _apply(self, partition: int, page: Sequence[Message]) -> Sequence[Job]:
        events = [(message.offset, _decode(message)) for message in page]
        self.told |= {event.job_id for _, event in events if event.source == SOURCE}
        return await self.ledger.apply(partition, events, now_ms=self.clock())

    async def _drop_told(self, partition: int, due: Sequence[Job]) -> None:
        """Do not announce again what the log says was announced; the rest stays due."""
        while told := [job for job in due if job.job_id in self.told]:
            for job in told:
                await self.ledger.mark_finalized(job.job_id, now_ms=self.clock())
            await self.ledger.mark_announced(told)
            due = await self.ledger.apply(partition, (), now_ms=self.clock())


def _decode(message: Message) -> StatusEvent:
    """Decode; what cannot be read is logged where it is followed, and is nothing but its offset."""
    try:
        return decode_status(message.payload)
    except UndecodableError:
        return NOTHING
