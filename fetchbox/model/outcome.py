"""What becomes of a task, and the events that tell others (contract 4.6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from fetchbox.model.job import JobState, Pointer
from fetchbox.model.task import DownloadTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one resource ended: keyed by (job, resource_id), so a repeat overwrites itself.

    Attributes:
        state: COMPLETED or FAILED.
        failure_code: empty on success; free text, since direct producers may send any.
        attempts: tries made, downloads and uploads together as contract 5.5 counts them.
        storage_key: the object key, empty on failure.
        dlq: where the dead letter lies; None when there is none or the broker cannot tell.
        context: facts of a failure, such as `proxy`, `attempt`, `status`.

    """

    resource_id: str
    state: JobState
    failure_code: str = ""
    failure_message: str = ""
    retryable: bool = False
    attempts: int = 1
    storage_key: str = ""
    size_bytes: int = 0
    dlq: Pointer | None = None
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent:
    """A message on jobs.status.

    Attributes:
        state: None stands for JOB_STATE_UNKNOWN.
        resources_total: 0 = not known to the sender.
        resources_completed, resources_failed: since the sender's previous event; absolute when
            `source` is `ledger`.
        log_offset: newest JobLog of this job, 0 = unknown.
        source: `api`, `worker:<id>` or `ledger`; empty from foreign producers.

    """

    job_id: str
    job_type: str
    state: JobState | None
    resources_total: int = 0
    resources_completed: int = 0
    resources_failed: int = 0
    manifest_key: str = ""
    tenant: str = ""
    last_error_code: str = ""
    last_error_message: str = ""
    log_offset: int = 0
    timestamp_ms: int = 0
    outcomes: tuple[Outcome, ...] = ()
    source: str = ""


class LogLevel(IntEnum):
    """Levels of JobLog, numbered as on the wire."""

    TRACE = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """A message on jobs.logs."""

    job_id: str
    resource_id: str
    level: LogLevel
    message: str
    fields: Mapping[str, str] = field(default_factory=dict)
    timestamp_ms: int = 0
    trace_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message on jobs.dlq: a task given up on, as it was received, and why."""

    task: DownloadTask
    failure_code: str
    failure_message: str
    attempts: int
    failed_at_ms: int
    metadata: Mapping[str, str] = field(default_factory=dict)
