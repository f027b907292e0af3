"""A job, its state machine and its snapshot (contract 2.2, 2.3, 6.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    """Raw states; operators see `shown_status`."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    PARTIAL = "partial"
    COMPLETED = "completed"
    FAILED = "failed"


TERMINAL: Final = frozenset({JobState.PARTIAL, JobState.COMPLETED, JobState.FAILED})


class Origin(StrEnum):
    """Who created the ledger row: the API, or the first event of a direct producer."""

    API = "api"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The counted rows of one job, from which its state follows.

    Attributes:
        reported: a worker has reported anything at all.
        nonretryable: at least one failed resource failed for good.
        aborted: ingest gave the job up (handler or publish failure).

    """

    total: int
    completed: int
    failed: int
    reported: bool = False
    nonretryable: bool = False
    aborted: bool = False


def state_of(tally: Tally) -> JobState:
    """Derive the state of a job (contract 2.3)."""
    done = tally.completed + tally.failed
    if tally.aborted:
        return JobState.FAILED
    if done < tally.total or tally.total == 0:
        return JobState.IN_PROGRESS if tally.reported or done else JobState.QUEUED
    if tally.failed == 0:
        return JobState.COMPLETED
    if tally.failed >= tally.total or tally.nonretryable:
        return JobState.FAILED
    return JobState.PARTIAL


def shown_status(state: JobState) -> str:
    """Map a raw state to the four statuses of the operator API: `partial` shows as `failed`."""
    return JobState.FAILED if state is JobState.PARTIAL else state


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """A place in a topic: partition and offset."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastError:
    """The newest failure of a job; `code` is free text because direct producers may send any."""

    code: str
    message: str
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of the ledger, as read; times in Unix ms."""

    job_id: str
    job_type: str
    tenant: str
    state: JobState
    created_at_ms: int
    updated_at_ms: int
    resource_total: int
    resource_completed: int
    resource_failed: int
    manifest_key: str
    log_cursor: Pointer
    log_last_offset: int
    last_error: LastError | None
    dlq: Pointer | None
    trace_id: str
    origin: Origin
    published_at_ms: int | None

    @property
    def is_terminal(self) -> bool:
        """No further progress is expected without a replay."""
        return self.state in TERMINAL
