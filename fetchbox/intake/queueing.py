"""What intake tells and asks the broker: the QUEUED status, the tasks, where logs will begin."""

import asyncio
from collections.abc import Sequence
from typing import Final

from fetchbox.broker.port import Broker, PartitionSpan
from fetchbox.broker.streams import LOGS, PARTITIONS, STATUS, TASKS, partition_of
from fetchbox.intake.retries import with_retries
from fetchbox.ledger.port import NewJob
from fetchbox.model.failure import FailureCode, FetchBoxError, fail
from fetchbox.model.job import JobState, Pointer
from fetchbox.model.outcome import StatusEvent
from fetchbox.model.retry import RetryPolicy
from fetchbox.wire.codec import encode_status

#: A missing log cursor only costs a longer replay, so it is not worth waiting for.
_CURSOR_WAIT_S: Final = 1.0
#: An older one too, so not every job needs its own look at the broker.
_CURSOR_AGE_S: Final = 1.0


class JobQueue:
    """The topics as intake uses them; the key is always the job id."""

    def __init__(self, *, broker: Broker, retry: RetryPolicy) -> None:
        """Ask nothing yet."""
        self._broker = broker
        self._retry = retry
        self._spans: Sequence[PartitionSpan] = ()
        self._spans_until_s = 0.0

    async def publish(self, job: NewJob, payloads: Sequence[bytes], *, now_ms: int) -> None:
        """Announce the job, then queue all its tasks in one batch.

        Raises FetchBoxError SYSTEM_QUEUE_UNAVAILABLE. Repeating a batch whose fate is unknown may
        double it, which is harmless.
        """
        queued = StatusEvent(
            job_id=job.job_id,
            job_type=job.job_type,
            state=JobState.QUEUED,
            resources_total=len(payloads),
            manifest_key=job.manifest_key,
            tenant=job.tenant,
            timestamp_ms=now_ms,
            source="api",
        )
        await self._send(STATUS, job.job_id, [encode_status(queued)])
        await self._send(TASKS, job.job_id, payloads)

    async def _send(self, topic: str, key: str, payloads: Sequence[bytes]) -> None:
        try:
            await with_retries(self._retry, lambda: self._broker.publish(topic, key, payloads))
        except FetchBoxError as error:
            msg = f"the job could not be queued: {error.failure.message}; submit it again"
            raise fail(FailureCode.SYSTEM_QUEUE_UNAVAILABLE, msg, topic=topic) from error

    async def log_cursor(self, job_id: str) -> Pointer:
        """Return where the first log of the job will be written; offset 0 when unknown."""
        spans = await self._log_spans()
        partition = partition_of(job_id, len(spans) or PARTITIONS[LOGS])
        offset = next((span.next for span in spans if span.partition == partition), 0)
        return Pointer(partition=partition, offset=offset)

    async def _log_spans(self) -> Sequence[PartitionSpan]:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._spans_until_s:
            return self._spans
        try:
            async with asyncio.timeout(_CURSOR_WAIT_S):
                self._spans = await self._broker.describe(LOGS)
        except (FetchBoxError, TimeoutError):
            return ()
        self._spans_until_s = now_s + _CURSOR_AGE_S
        return self._spans
