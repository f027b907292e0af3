"""Jobs between SQL rows and values. A JobRow is the mutable form used inside a transaction."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final

import apsw

from fetchbox.ledger.port import NewJob
from fetchbox.model.job import (
    TERMINAL,
    Job,
    JobState,
    LastError,
    Origin,
    Pointer,
    Tally,
    state_of,
)


@dataclass(slots=True, kw_only=True)
class JobRow:
    """The columns of table job, in their order; what they mean is said in ledger.sql."""

    id: int | None = None
    job_id: str
    job_type: str
    tenant: str
    state: str
    created_at: int
    updated_at: int
    total: int
    completed: int = 0
    failed: int = 0
    nonretryable: int = 0
    is_counted: int = 1
    is_capped: int = 0
    is_reported: int = 0
    is_aborted: int = 0
    is_due: int = 0
    manifest_key: str = ""
    manifest_sha256: str = ""
    resource_count: int = 0
    log_partition: int = 0
    log_offset: int = 0
    log_last_offset: int = 0
    error_code: str | None = None
    error_message: str | None = None
    error_context: str | None = None
    dlq_partition: int | None = None
    dlq_offset: int | None = None
    origin: str = Origin.DIRECT
    trace_id: str = ""
    published_at: int | None = None
    finalized_at: int | None = None

    def blame(self, error: LastError) -> None:
        """Make `error` the newest failure."""
        self.error_code, self.error_message = error.code, error.message
        self.error_context = json.dumps(dict(error.context)) if error.context else None

    def rederive(self) -> None:
        """Derive the state; one that has just ended is due to be announced."""
        self.total = max(self.total, self.completed + self.failed)
        pending = 0 if self.is_counted else 1  # while tasks are being made, it cannot have ended
        state = state_of(
            Tally(
                total=self.total + pending,
                completed=self.completed,
                failed=self.failed,
                reported=bool(self.is_reported),
                nonretryable=self.nonretryable > 0,
                aborted=bool(self.is_aborted),
            )
        )
        if state != self.state:
            self.is_due = int(state in TERMINAL)
        self.state = state


COLUMNS: Final = tuple(column.name for column in fields(JobRow))
_values: Final[Callable[[JobRow], tuple[Any, ...]]] = attrgetter(*COLUMNS)

_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM job"  # noqa: S608  # no input in it
_INSERT: Final = (
    f"INSERT INTO job ({', '.join(COLUMNS)}) "  # noqa: S608  # no input in it
    f"VALUES ({', '.join('?' * len(COLUMNS))}) ON CONFLICT (job_id) DO NOTHING"
)
#: What events change; the rest stays untouched, and so do its indexes.
_CHANGING: Final = (
    "job_type",
    "tenant",
    "state",
    "updated_at",
    "total",
    "completed",
    "failed",
    "nonretryable",
    "is_counted",
    "is_capped",
    "is_reported",
    "is_aborted",
    "is_due",
    "manifest_key",
    "log_last_offset",
    "error_code",
    "error_message",
    "error_context",
    "dlq_partition",
    "dlq_offset",
    "published_at",
)
_UPDATE: Final = (
    f"UPDATE job SET {', '.join(f'{name} = ?' for name in _CHANGING)} "  # noqa: S608  # no input
    "WHERE id = ?"
)
_changes: Final[Callable[[JobRow], tuple[Any, ...]]] = attrgetter(*_CHANGING, "id")


def find_rows(connection: apsw.Connection, clause: str, values: Sequence[Any] = ()) -> list[JobRow]:
    """Select jobs by a clause of our own; `values` are bound."""
    found = connection.execute(f"{_SELECT} {clause}", values)
    return [JobRow(**dict(zip(COLUMNS, row, strict=True))) for row in found]


def find_row(connection: apsw.Connection, job_id: str) -> JobRow | None:
    """Select one job."""
    rows = find_rows(connection, "WHERE job_id = ?", (job_id,))
    return rows[0] if rows else None


def insert_row(connection: apsw.Connection, row: JobRow) -> bool:
    """Insert a job and give it its id; False when there is one of that job_id."""
    connection.execute(_INSERT, _values(row))
    if not connection.changes():
        return False
    row.id = connection.last_insert_rowid()
    return True


def update_rows(connection: apsw.Connection, rows: Iterable[JobRow]) -> None:
    """Store what has changed of jobs."""
    connection.executemany(_UPDATE, [_changes(row) for row in rows])


def new_row(job: NewJob) -> JobRow:
    """Make the row of a job that intake creates."""
    return JobRow(
        job_id=job.job_id,
        job_type=job.job_type,
        tenant=job.tenant,
        state=JobState.QUEUED,
        created_at=job.created_at_ms,
        updated_at=job.created_at_ms,
        total=job.resource_count,
        is_counted=0,
        is_capped=1,
        manifest_key=job.manifest_key,
        manifest_sha256=job.manifest_sha256,
        resource_count=job.resource_count,
        log_partition=job.log_cursor.partition,
        log_offset=job.log_cursor.offset,
        origin=Origin.API,
        trace_id=job.trace_id,
    )


def to_job(row: JobRow) -> Job:
    """Turn a row into the value that others see."""
    has_dlq = row.dlq_partition is not None and row.dlq_offset is not None
    return Job(
        job_id=row.job_id,
        job_type=row.job_type,
        tenant=row.tenant,
        state=JobState(row.state),
        created_at_ms=row.created_at,
        updated_at_ms=row.updated_at,
        resource_total=row.total,
        resource_completed=row.completed,
        resource_failed=row.failed,
        manifest_key=row.manifest_key,
        log_cursor=Pointer(partition=row.log_partition, offset=row.log_offset),
        log_last_offset=row.log_last_offset,
        last_error=_last_error(row),
        dlq=Pointer(partition=row.dlq_partition or 0, offset=row.dlq_offset or 0)
        if has_dlq
        else None,
        trace_id=row.trace_id,
        origin=Origin(row.origin),
        published_at_ms=row.published_at,
    )


def _last_error(row: JobRow) -> LastError | None:
    if row.error_code is None:
        return None
    context: Mapping[str, str] = json.loads(row.error_context) if row.error_context else {}
    return LastError(code=row.error_code, message=row.error_message or "", context=context)
