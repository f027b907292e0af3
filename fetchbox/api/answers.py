"""The JSON bodies of successful answers, and how ledger and broker values become them."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, cast

from msgspec import Meta, Struct

from fetchbox.broker import streams
from fetchbox.model.clock import rfc3339
from fetchbox.model.dead_letters import DeadLetterEntry
from fetchbox.model.job import Job, JobState, LastError, Origin, Pointer, shown_status

ShownStatus = Literal["queued", "in_progress", "completed", "failed"]
Timestamp = Annotated[str, Meta(description="RFC 3339, UTC, milliseconds")]
Count = Annotated[int, Meta(ge=0)]


class AcceptedAnswer(Struct, kw_only=True):
    """A job that is stored and queued."""

    job_id: str
    manifest_key: Annotated[str, Meta(description="where the manifest is stored: s3://bucket/key")]
    resource_count: Count


class PlaceAnswer(Struct, kw_only=True):
    """A place in a stream."""

    stream: str
    partition: Count
    offset: Count


class LastErrorAnswer(Struct, kw_only=True):
    """The newest failure of a job."""

    code: str
    message: str
    context: Mapping[str, str]


class JobAnswer(Struct, kw_only=True):
    """A snapshot of one job."""

    job_id: str
    job_type: str
    tenant: str
    status: ShownStatus
    state: Annotated[JobState, Meta(description="raw state; partial is shown as status failed")]
    created_at: Timestamp
    updated_at: Timestamp
    resource_total: Count
    resource_completed: Count
    resource_failed: Count
    manifest_key: str
    log_cursor: PlaceAnswer
    last_error: LastErrorAnswer | None
    dlq: Annotated[PlaceAnswer | None, Meta(description="the latest dead letter")]
    trace_id: str
    origin: Origin


class JobsAnswer(Struct, kw_only=True):
    """One page of jobs, newest first."""

    jobs: list[JobAnswer]
    next_cursor: Annotated[str | None, Meta(description="pass as cursor; null on the last page")]


class FailuresAnswer(Struct, kw_only=True):
    """The jobs that failed last."""

    jobs: list[JobAnswer]


class DeadLetterAnswer(Struct, kw_only=True):
    """One dead letter, without the request headers of its task: they may hold credentials."""

    partition: Count
    offset: Count
    job_id: str
    job_type: str
    tenant: str
    resource_id: str
    url: str
    code: str
    message: str
    attempts: Annotated[int, Meta(description="tries made before giving up")]
    attempt: Annotated[int, Meta(description="1, and one more for each replay")]
    failed_at: Timestamp
    trace_id: str
    context: Mapping[str, str]


class DeadLettersAnswer(Struct, kw_only=True):
    """Dead letters."""

    entries: list[DeadLetterAnswer]


class ReplayAnswer(Struct, kw_only=True):
    """What a replay did; a letter is skipped when its resource is completed or replayed already."""

    replayed: Count
    skipped: Count
    entries: list[DeadLetterAnswer]


class PurgeAnswer(Struct, kw_only=True):
    """How many dead letters were deleted."""

    purged: Count


class PruneAnswer(Struct, kw_only=True):
    """How many jobs were removed from the ledger."""

    pruned: Count


class ComponentAnswer(Struct, kw_only=True):
    """One component's health."""

    status: Literal["ok", "degraded", "unknown"]
    detail: str | None


class HealthAnswer(Struct, kw_only=True):
    """Health of the API and what it needs."""

    status: Literal["ok", "degraded"]
    components: dict[str, ComponentAnswer]
    version: str


class AliveAnswer(Struct, kw_only=True):
    """The process runs."""

    status: Literal["ok"] = "ok"


ALIVE: Final = AliveAnswer()


def job_answer(job: Job) -> JobAnswer:
    """Show a job (contract 2.2)."""
    return JobAnswer(
        job_id=job.job_id,
        job_type=job.job_type,
        tenant=job.tenant,
        status=cast(ShownStatus, shown_status(job.state)),
        state=job.state,
        created_at=rfc3339(job.created_at_ms),
        updated_at=rfc3339(job.updated_at_ms),
        resource_total=job.resource_total,
        resource_completed=job.resource_completed,
        resource_failed=job.resource_failed,
        manifest_key=job.manifest_key,
        log_cursor=_place(streams.LOGS, job.log_cursor),
        last_error=_last_error(job.last_error) if job.last_error else None,
        dlq=_place(streams.DLQ, job.dlq) if job.dlq else None,
        trace_id=job.trace_id,
        origin=job.origin,
    )


def _place(stream: str, pointer: Pointer) -> PlaceAnswer:
    return PlaceAnswer(stream=stream, partition=pointer.partition, offset=pointer.offset)


def _last_error(error: LastError) -> LastErrorAnswer:
    return LastErrorAnswer(code=error.code, message=error.message, context=error.context)


def dead_letter_answer(entry: DeadLetterEntry) -> DeadLetterAnswer:
    """Show a dead letter."""
    letter, task = entry.letter, entry.letter.task
    return DeadLetterAnswer(
        partition=entry.pointer.partition,
        offset=entry.pointer.offset,
        job_id=task.job_id,
        job_type=task.job_type,
        tenant=task.tenant,
        resource_id=task.resource_id,
        url=task.url,
        code=letter.failure_code,
        message=letter.failure_message,
        attempts=letter.attempts,
        attempt=task.attempt,
        failed_at=rfc3339(letter.failed_at_ms),
        trace_id=task.trace_id,
        context=letter.metadata,
    )
