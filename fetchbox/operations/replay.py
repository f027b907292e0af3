"""The dead letter desk: finds tasks that were given up on, and queues them again.

A replay publishes the task of a letter as it was received, one attempt further. The letters stay:
what became of the task is told by its job.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from fetchbox.broker import streams
from fetchbox.broker.port import Broker, BrokerUnavailableError, PartitionSpan
from fetchbox.ledger.port import Ledger
from fetchbox.model.clock import Clock
from fetchbox.model.dead_letters import DeadLetterEntry, ReplayReport, WantedDeadLetters
from fetchbox.model.job import Pointer
from fetchbox.model.outcome import LogEvent, LogLevel
from fetchbox.model.task import DownloadTask
from fetchbox.operations.partitions import decoded, read_span
from fetchbox.wire.codec import decode_dead_letter, encode_log, encode_task

_log = logging.getLogger(__name__)

#: Older letters first; those of one moment in the order of their places.
_AGE: Final = attrgetter("letter.failed_at_ms", "pointer.partition", "pointer.offset")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterDesk:
    """Implements what the operator API and the CLI need."""

    broker: Broker
    ledger: Ledger
    clock: Clock

    async def find(self, wanted: WantedDeadLetters, *, limit: int) -> Sequence[DeadLetterEntry]:
        """Return the newest `limit` matching letters, the newest last."""
        found: list[DeadLetterEntry] = []
        for span in await self.broker.describe(streams.DLQ):
            if (narrowed := _narrowed(span, wanted.pointer)) is not None:
                found += await self._newest(narrowed, wanted, limit)
        return sorted(found, key=_AGE)[-limit:]

    async def replay(self, wanted: WantedDeadLetters, *, limit: int) -> ReplayReport:
        """Queue the tasks of matching letters again, each resource once.

        Skips resources that are stored by now, and letters without a task to carry out.
        """
        entries = await self.find(wanted, limit=limit)
        newest = {entry.resource: entry for entry in entries if entry.can_be_replayed}
        by_job: dict[str, list[DownloadTask]] = defaultdict(list)
        for entry in newest.values():
            task = entry.letter.task
            by_job[task.job_id].append(replace(task, attempt=task.attempt + 1))
        replayed = 0
        for job_id, tasks in by_job.items():
            replayed += await self._replay_job(job_id, tasks)
        return ReplayReport(replayed=replayed, skipped=len(entries) - replayed, entries=entries)

    async def _newest(
        self, span: PartitionSpan, wanted: WantedDeadLetters, limit: int
    ) -> Sequence[DeadLetterEntry]:
        newest: deque[DeadLetterEntry] = deque(maxlen=limit)
        async for message in read_span(self.broker, streams.DLQ, span):
            letter = decoded(streams.DLQ, message, decode_dead_letter)
            if letter is None:
                continue
            pointer = Pointer(partition=message.partition, offset=message.offset)
            entry = DeadLetterEntry(pointer=pointer, letter=letter)
            if wanted.matches(entry):
                newest.append(entry)
        return newest

    async def _replay_job(self, job_id: str, tasks: Sequence[DownloadTask]) -> int:
        """Publish what is not stored yet; return how many tasks that were."""
        completed = await self.ledger.completed_resources(job_id)
        left = [task for task in tasks if task.resource_id not in completed]
        if left:
            payloads = [encode_task(task) for task in left]
            await self.broker.publish(streams.TASKS, job_id, payloads)
            await self._tell(job_id, left)
        return len(left)

    async def _tell(self, job_id: str, tasks: Sequence[DownloadTask]) -> None:
        """Write it into the job's log; the replay stands without that, too."""
        events = [encode_log(self._event(task)) for task in tasks]
        try:
            await self.broker.publish(streams.LOGS, job_id, events)
        except BrokerUnavailableError as error:
            facts = {"job_id": job_id, "reason": error.failure.message}
            _log.warning("replay is missing from the job's log", extra=facts)
        _log.info("tasks replayed", extra={"job_id": job_id, "tasks": len(tasks)})

    def _event(self, task: DownloadTask) -> LogEvent:
        return LogEvent(
            job_id=task.job_id,
            resource_id=task.resource_id,
            level=LogLevel.INFO,
            message="task replayed from its dead letter",
            fields={"event": "task.replayed", "attempt": str(task.attempt)},
            timestamp_ms=self.clock(),
            trace_id=task.trace_id,
        )


def _narrowed(span: PartitionSpan, pointer: Pointer | None) -> PartitionSpan | None:
    """Cut a span down to the one place asked for; None when that is not in it."""
    if pointer is None:
        return span
    if span.partition != pointer.partition or not span.first <= pointer.offset < span.next:
        return None
    return replace(span, first=pointer.offset, next=pointer.offset + 1)
