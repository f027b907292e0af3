"""Values to bytes and back: protobuf for the four topics, JSON for task files."""

import json
from collections.abc import Iterable, Mapping

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from fetchbox.model.failure import FailureCode, FetchBoxError, failure
from fetchbox.model.job import JobState, Pointer
from fetchbox.model.outcome import DeadLetter, LogEvent, LogLevel, Outcome, StatusEvent
from fetchbox.model.task import DownloadTask, ProxyHint, StorageHint
from fetchbox.wire import jobs_pb2 as pb

_STATE_TO_WIRE = {
    JobState.QUEUED: pb.JOB_STATE_QUEUED,
    JobState.IN_PROGRESS: pb.JOB_STATE_IN_PROGRESS,
    JobState.PARTIAL: pb.JOB_STATE_PARTIAL,
    JobState.COMPLETED: pb.JOB_STATE_COMPLETED,
    JobState.FAILED: pb.JOB_STATE_FAILED,
}
_LEVEL_TO_WIRE = {
    LogLevel.TRACE: pb.LOG_LEVEL_TRACE,
    LogLevel.DEBUG: pb.LOG_LEVEL_DEBUG,
    LogLevel.INFO: pb.LOG_LEVEL_INFO,
    LogLevel.WARN: pb.LOG_LEVEL_WARN,
    LogLevel.ERROR: pb.LOG_LEVEL_ERROR,
}
_LEVEL_FROM_WIRE = {number: level for level, number in _LEVEL_TO_WIRE.items()}
_STATE_FROM_WIRE = {number: state for state, number in _STATE_TO_WIRE.items()}


class UndecodableError(FetchBoxError):
    """The bytes are not the message they should be."""

    def __init__(self, message: str) -> None:
        """Name the message type and the fault."""
        super().__init__(failure(FailureCode.SYSTEM_DECODE_ERROR, message))


class TaskPart(msgspec.Struct, frozen=True, kw_only=True):
    """What one task does not share with the others of its job; fields as in DownloadTask."""

    resource_id: str
    url: str
    headers: tuple[tuple[str, str], ...]
    proxy_hint: ProxyHint | None
    storage_hint: StorageHint | None
    tags: Mapping[str, str]
    checksum_hint: str
    mime_hint: str
    extra: bytes


def encode_task(task: DownloadTask) -> bytes:
    """Encode a DownloadTask."""
    return _task_to_wire(task).SerializeToString()


def encode_tasks(shared: DownloadTask, parts: Iterable[TaskPart]) -> list[bytes]:
    """Encode a task per part; of `shared`, what is a task's own must be empty.

    One encoding after another is the encoding of both messages merged, so what is shared is encoded
    once.
    """
    head = encode_task(shared)
    return [head + _part_to_wire(part).SerializeToString() for part in parts]


def decode_task(payload: bytes) -> DownloadTask:
    """Decode a DownloadTask; raises UndecodableError."""
    try:
        return _task_from_wire(pb.DownloadTask.FromString(payload))
    except DecodeError as error:
        msg = f"not a DownloadTask: {error}"
        raise UndecodableError(msg) from error


def task_to_json(task: DownloadTask) -> str:
    """Show a task in the standard protobuf JSON mapping."""
    return json_format.MessageToJson(_task_to_wire(task), preserving_proto_field_name=True)


def task_from_json(text: str) -> DownloadTask:
    """Read a task file; raises UndecodableError that names the fault."""
    try:
        document = json.loads(text)
        if not isinstance(document, dict):
            msg = "not the JSON form of a DownloadTask: it must be one JSON object"
            raise UndecodableError(msg)
        return _task_from_wire(json_format.ParseDict(document, pb.DownloadTask()))
    except (ValueError, RecursionError, json_format.ParseError) as error:
        msg = f"not the JSON form of a DownloadTask: {error}"
        raise UndecodableError(msg) from error


def encode_status(event: StatusEvent) -> bytes:
    """Encode a JobStatus."""
    message = pb.JobStatus(
        job_id=event.job_id,
        job_type=event.job_type,
        state=_STATE_TO_WIRE[event.state] if event.state else pb.JOB_STATE_UNKNOWN,
        resources_total=event.resources_total,
        resources_completed=event.resources_completed,
        resources_failed=event.resources_failed,
        manifest_key=event.manifest_key,
        tenant=event.tenant,
        last_error_code=event.last_error_code,
        last_error_message=event.last_error_message,
        log_offset=event.log_offset,
        timestamp_ms=event.timestamp_ms,
        source=event.source,
    )
    for outcome in event.outcomes:
        _add_outcome(message, outcome)
    return message.SerializeToString()


def _add_outcome(message: pb.JobStatus, outcome: Outcome) -> None:
    wire = message.outcomes.add(
        resource_id=outcome.resource_id,
        state=_STATE_TO_WIRE[outcome.state],
        failure_code=outcome.failure_code,
        failure_message=outcome.failure_message,
        retryable=outcome.retryable,
        attempts=outcome.attempts,
        storage_key=outcome.storage_key,
        size_bytes=outcome.size_bytes,
        context=outcome.context,
    )
    if outcome.dlq is not None:
        wire.dlq_partition = outcome.dlq.partition
        wire.dlq_offset = outcome.dlq.offset


def decode_status(payload: bytes) -> StatusEvent:
    """Decode a JobStatus; raises UndecodableError."""
    try:
        wire = pb.JobStatus.FromString(payload)
    except DecodeError as error:
        msg = f"not a JobStatus: {error}"
        raise UndecodableError(msg) from error
    return StatusEvent(
        job_id=wire.job_id,
        job_type=wire.job_type,
        state=_STATE_FROM_WIRE.get(wire.state),
        resources_total=wire.resources_total,
        resources_completed=wire.resources_completed,
        resources_failed=wire.resources_failed,
        manifest_key=wire.manifest_key,
        tenant=wire.tenant,
        last_error_code=wire.last_error_code,
        last_error_message=wire.last_error_message,
        log_offset=wire.log_offset,
        timestamp_ms=wire.timestamp_ms,
        outcomes=tuple(_outcome_from_wire(outcome) for outcome in wire.outcomes),
        source=wire.source,
    )


def _outcome_from_wire(wire: pb.ResourceOutcome) -> Outcome:
    has_pointer = wire.HasField("dlq_partition") and wire.HasField("dlq_offset")
    pointer = Pointer(partition=wire.dlq_partition, offset=wire.dlq_offset)
    return Outcome(
        resource_id=wire.resource_id,
        state=_STATE_FROM_WIRE.get(wire.state, JobState.FAILED),
        failure_code=wire.failure_code,
        failure_message=wire.failure_message,
        retryable=wire.retryable,
        attempts=wire.attempts,
        storage_key=wire.storage_key,
        size_bytes=wire.size_bytes,
        dlq=pointer if has_pointer else None,
        context=dict(wire.context),
    )


def encode_log(event: LogEvent) -> bytes:
    """Encode a JobLog."""
    return pb.JobLog(
        job_id=event.job_id,
        resource_id=event.resource_id,
        level=_LEVEL_TO_WIRE[event.level],
        message=event.message,
        fields=event.fields,
        timestamp_ms=event.timestamp_ms,
        trace_id=event.trace_id,
    ).SerializeToString()


def decode_log(payload: bytes) -> LogEvent:
    """Decode a JobLog; raises UndecodableError."""
    try:
        wire = pb.JobLog.FromString(payload)
    except DecodeError as error:
        msg = f"not a JobLog: {error}"
        raise UndecodableError(msg) from error
    return LogEvent(
        job_id=wire.job_id,
        resource_id=wire.resource_id,
        level=_LEVEL_FROM_WIRE.get(wire.level, LogLevel.INFO),
        message=wire.message,
        fields=dict(wire.fields),
        timestamp_ms=wire.timestamp_ms,
        trace_id=wire.trace_id,
    )


def encode_dead_letter(letter: DeadLetter) -> bytes:
    """Encode a DeadLetterTask."""
    return pb.DeadLetterTask(
        task=_task_to_wire(letter.task),
        failure_code=letter.failure_code,
        failure_message=letter.failure_message,
        attempts=letter.attempts,
        failed_at_ms=letter.failed_at_ms,
        metadata=letter.metadata,
    ).SerializeToString()


def decode_dead_letter(payload: bytes) -> DeadLetter:
    """Decode a DeadLetterTask; raises UndecodableError."""
    try:
        wire = pb.DeadLetterTask.FromString(payload)
    except DecodeError as error:
        msg = f"not a DeadLetterTask: {error}"
        raise UndecodableError(msg) from error
    return DeadLetter(
        task=_task_from_wire(wire.task),
        failure_code=wire.failure_code,
        failure_message=wire.failure_message,
        attempts=wire.attempts,
        failed_at_ms=wire.failed_at_ms,
        metadata=dict(wire.metadata),
    )


def _task_to_wire(task: DownloadTask) -> pb.DownloadTask:
    wire = _part_to_wire(task)
    wire.job_id = task.job_id
    wire.job_type = task.job_type
    wire.manifest_key = task.manifest_key
    wire.attempt = task.attempt
    wire.tenant = task.tenant
    wire.trace_id = task.trace_id
    return wire


def _part_to_wire(part: DownloadTask | TaskPart) -> pb.DownloadTask:
    wire = pb.DownloadTask(resource_id=part.resource_id, url=part.url)
    for name, value in part.headers:
        wire.headers.add(name=name.lower(), value=value)
    if part.tags or part.checksum_hint or part.mime_hint or part.extra:
        wire.attributes.checksum_hint = part.checksum_hint
        wire.attributes.mime_hint = part.mime_hint
        wire.attributes.extra = part.extra
        wire.attributes.tags.update(part.tags)
    if (proxy := part.proxy_hint) is not None:
        wire.proxy_hint.primary_pool = proxy.primary_pool
        wire.proxy_hint.fallbacks.extend(proxy.fallbacks)
    if (storage := part.storage_hint) is not None:
        wire.storage_hint.bucket = storage.bucket
        wire.storage_hint.key_prefix = storage.key_prefix
        wire.storage_hint.key = storage.key
        wire.storage_hint.metadata.update(storage.metadata)
    return wire


def _task_from_wire(wire: pb.DownloadTask) -> DownloadTask:
    attributes = wire.attributes
    return DownloadTask(
        job_id=wire.job_id,
        job_type=wire.job_type,
        resource_id=wire.resource_id,
        url=wire.url,
        headers=tuple((header.name.lower(), header.value) for header in wire.headers),
        proxy_hint=_proxy_from_wire(wire),
        storage_hint=_storage_from_wire(wire),
        tags=dict(attributes.tags),
        checksum_hint=attributes.checksum_hint,
        mime_hint=attributes.mime_hint,
        extra=attributes.extra,
        manifest_key=wire.manifest_key,
        attempt=wire.attempt,
        tenant=wire.tenant,
        trace_id=wire.trace_id,
    )


def _proxy_from_wire(wire: pb.DownloadTask) -> ProxyHint | None:
    if not wire.HasField("proxy_hint"):
        return None
    hint = wire.proxy_hint
    return ProxyHint(primary_pool=hint.primary_pool, fallbacks=tuple(hint.fallbacks))


def _storage_from_wire(wire: pb.DownloadTask) -> StorageHint | None:
    if not wire.HasField("storage_hint"):
        return None
    hint = wire.storage_hint
    return StorageHint(
        bucket=hint.bucket, key_prefix=hint.key_prefix, metadata=dict(hint.metadata), key=hint.key
    )
