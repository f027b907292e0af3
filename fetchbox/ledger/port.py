"""The ledger port: one row per job, one per resource, written by one process.

Effects are keyed, never counted: counts and state are derived from resource rows by
`model.job.state_of`. Raises LedgerError. Times are Unix ms.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fetchbox.model.failure import FailureCode, FetchBoxError, failure
from fetchbox.model.job import Job, JobState, LastError, Pointer
from fetchbox.model.outcome import StatusEvent


class LedgerError(FetchBoxError):
    """The ledger could not be read or written."""

    def __init__(self, message: str) -> None:
        """Say what was tried and the remedy."""
        super().__init__(failure(FailureCode.SYSTEM_INTERNAL, message))


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """Scope of a client's dedupe key."""

    tenant: str
    job_type: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What intake knows when it creates the row."""

    job_id: str
    job_type: str
    tenant: str
    manifest_key: str
    manifest_sha256: str
    resource_count: int
    log_cursor: Pointer
    trace_id: str
    created_at_ms: int
    idempotency: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A remembered submission behind an idempotency key."""

    job_id: str
    manifest_key: str
    manifest_sha256: str
    resource_count: int
    state: JobState
    is_published: bool
    created_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs to list; None matches all. `status` is the shown one: partial counts as failed."""

    status: str | None = None
    job_type: str | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRow:
    """How one resource stands."""

    resource_id: str
    state: JobState
    failure_code: str
    retryable: bool
    attempts: int
    storage_key: str
    size_bytes: int
    updated_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What pruning removes. Ages in ms, size in bytes."""

    job_ttl_ms: int
    idempotency_ttl_ms: int
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Sizes of the ledger; `resources` are the reported ones, `size_bytes` is on disk."""

    jobs: int
    resources: int
    idempotency_keys: int
    size_bytes: int


class Ledger(Protocol):
    """Where jobs are remembered. All writes are durable when they return."""

    async def create_job(self, job: NewJob) -> None:
        """Insert the row as queued, and bind its idempotency key (re-binding a dead one)."""
        ...

    async def mark_published(self, job_id: str, *, resource_total: int, now_ms: int) -> None:
        """Record that every task is on the broker, and how many there are."""
        ...

    async def abort_job(self, job_id: str, error: LastError, *, now_ms: int) -> None:
        """Ingest gave up: the job is failed and its idempotency key may be re-used."""
        ...

    async def find_accepted(self, key: IdempotencyKey) -> Accepted | None:
        """Look a submission up by its idempotency key."""
        ...

    async def get(self, job_id: str) -> Job | None:
        """Return one job."""
        ...

    async def resources(self, job_id: str) -> Sequence[ResourceRow]:
        """Return the reported resources of a job."""
        ...

    async def completed_resources(self, job_id: str) -> frozenset[str]:
        """Return the ids of resources already stored; replay skips them."""
        ...

    async def list_jobs(
        self, wanted: JobFilter, *, limit: int, before: str | None
    ) -> Sequence[Job]:
        """List jobs newest first; `before` is the last job_id of the previous page."""
        ...

    async def list_failures(self, limit: int) -> Sequence[Job]:
        """List the most recently failed or partial jobs."""
        ...

    async def apply(
        self, partition: int, events: Sequence[tuple[int, StatusEvent]], *, now_ms: int
    ) -> Sequence[Job]:
        """Apply status events (offset, event) of one partition in one transaction, once.

        Skips offsets at or below the last applied one (contract 6.4). Returns the jobs that have
        entered a terminal state, by this or an earlier call, and were not announced since; up to
        1000, the rest with the next call.
        """
        ...

    async def mark_announced(self, jobs: Sequence[Job]) -> None:
        """Do not return these from `apply` again, unless they enter another terminal state."""
        ...

    async def applied(self) -> Mapping[int, int]:
        """Return the last applied offset by partition."""
        ...

    async def rewind(self, partition: int) -> None:
        """Forget the applied offset of a partition whose log was replaced."""
        ...

    async def mark_finalized(self, job_id: str, *, now_ms: int) -> bool:
        """Claim the one finalize_job call of a job; False when it was claimed before."""
        ...

    async def prune(self, retention: Retention, *, now_ms: int) -> int:
        """Remove what is too old or too much (contract 6.6); return how many jobs went."""
        ...

    def export(self) -> AsyncIterator[Mapping[str, object]]:
        """Yield every job as a JSON-able mapping, oldest first, with its resources."""
        ...

    async def stats(self) -> Stats:
        """Return counts and size."""
        ...

    async def check(self) -> None:
        """Raise LedgerError unless a trivial read and a write lock succeed."""
        ...
