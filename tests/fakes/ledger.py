"""Values that ledger and tracking tests are about, and a ledger that can fail."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fetchbox.ledger.port import NewJob, Retention
from fetchbox.ledger.sqlite import SqliteLedger
from fetchbox.model.job import Job, JobState, Pointer
from fetchbox.model.outcome import Outcome, StatusEvent

DAY_MS = 86_400_000
NOW = 1_755_595_800_000
KEEP_ALL = Retention(job_ttl_ms=30 * DAY_MS, idempotency_ttl_ms=14 * DAY_MS, max_bytes=10**12)


def make_job(job_id: str = "j-1", **changes: Any) -> NewJob:
    """A job as intake makes it; name what shall differ."""
    job = NewJob(
        job_id=job_id,
        job_type="default",
        tenant="acme",
        manifest_key=f"s3://b/{job_id}",
        manifest_sha256="ab",
        resource_count=3,
        log_cursor=Pointer(partition=2, offset=7),
        trace_id="t",
        created_at_ms=NOW,
    )
    return replace(job, **changes)


def stored(resource_id: str, **changes: Any) -> Outcome:
    """A resource that was stored."""
    outcome = Outcome(
        resource_id=resource_id,
        state=JobState.COMPLETED,
        storage_key=f"k/{resource_id}",
        size_bytes=10,
    )
    return replace(outcome, **changes)


def failed(resource_id: str, **changes: Any) -> Outcome:
    """A resource that ran out of attempts; `retryable=False` makes it final."""
    outcome = Outcome(
        resource_id=resource_id,
        state=JobState.FAILED,
        failure_code="DOWNLOAD_HTTP_5XX",
        failure_message="origin answered 503",
        retryable=True,
        attempts=3,
        dlq=Pointer(partition=1, offset=4),
    )
    return replace(outcome, **changes)


def said(*outcomes: Outcome, job_id: str = "j-1", **changes: Any) -> StatusEvent:
    """What a worker says of a job; name what shall differ."""
    event = StatusEvent(
        job_id=job_id,
        job_type="default",
        state=JobState.IN_PROGRESS,
        tenant="acme",
        timestamp_ms=NOW + 5,
        outcomes=outcomes,
        source="worker:w1",
    )
    return replace(event, **changes)


def queued(total: int, job_id: str = "j-1") -> StatusEvent:
    """What the API says of a job before it queues the tasks."""
    return said(
        job_id=job_id,
        state=JobState.QUEUED,
        resources_total=total,
        manifest_key=f"s3://b/{job_id}",
        source="api",
    )


class FlakyLedger(SqliteLedger):
    """A real ledger. Levers: `fail_next` for `apply`, `fail_prune_next` for `prune`."""

    failures: list[Exception]
    prune_failures: list[Exception]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.failures = []
        self.prune_failures = []

    def fail_next(self, *errors: Exception) -> None:
        self.failures.extend(errors)

    def fail_prune_next(self, error: Exception) -> None:
        self.prune_failures.append(error)

    async def apply(
        self, partition: int, events: Sequence[tuple[int, StatusEvent]], *, now_ms: int
    ) -> Sequence[Job]:
        if self.failures:
            raise self.failures.pop(0)
        return await super().apply(partition, events, now_ms=now_ms)

    async def prune(self, retention: Retention, *, now_ms: int) -> int:
        if self.prune_failures:
            raise self.prune_failures.pop(0)
        return await super().prune(retention, now_ms=now_ms)
