"""What is written down about a task: events, outcomes, dead letters, counters (contract 5.9)."""

import logging
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Final

from fetchbox.broker.port import Message
from fetchbox.model.clock import Clock
from fetchbox.model.failure import Failure
from fetchbox.model.job import JobState
from fetchbox.model.outcome import DeadLetter, LogEvent, LogLevel, Outcome
from fetchbox.model.task import DownloadTask
from fetchbox.model.urls import mask_url
from fetchbox.telemetry.metrics import Metrics
from fetchbox.worker.download import Culprit, Ending, FailedAttempt
from fetchbox.worker.report import Report
from fetchbox.worker.target import Errand

_log = logging.getLogger(__name__)

#: How many job types keep their counters at hand; job types come with tasks.
_JOB_TYPES: Final = 256
_STDOUT_LEVEL: Final = {
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.WARNING,  # a task that failed is not a fault of the worker
}


class Recorder:
    """Turns endings into reports, and counts."""

    def __init__(self, worker_id: str, *, clock: Clock, metrics: Metrics) -> None:
        """`worker_id` goes into every event."""
        self._worker_id = worker_id
        self._clock = clock
        self._metrics = metrics
        #: The library looks up labels at some cost, and these count every resource.
        self._downloaded_bytes = lru_cache(_JOB_TYPES)(metrics.download_bytes.labels)
        self._completed = lru_cache(_JOB_TYPES)(partial(metrics.tasks.labels, "completed"))

    def downloaded(self, errand: Errand, size: int, seconds: float) -> None:
        """A body arrived in full."""
        self._metrics.download_latency.observe(seconds)
        self._downloaded_bytes(errand.task.job_type).inc(size)

    def attempt_failed(self, attempt: FailedAttempt) -> LogEvent | None:
        """An attempt failed; the last one is told of by `failed`."""
        job_type = attempt.errand.task.job_type
        metrics = self._metrics
        if attempt.culprit is Culprit.STORAGE:
            metrics.storage_failures.labels(attempt.failure.code, job_type).inc()
        elif attempt.culprit is Culprit.ORIGIN:
            metrics.download_failures.labels(attempt.failure.code, job_type).inc()
        if attempt.endpoint is not None and attempt.culprit is not Culprit.STORAGE:
            metrics.proxy_failures.labels(attempt.endpoint.pool, job_type).inc()
        if not attempt.will_retry:
            return None
        fields = _failed_fields(attempt.failure)
        return self._event(
            attempt.errand.task, LogLevel.WARN, "task.retry", attempt.failure.message, fields
        )

    def completed(self, message: Message, errand: Errand, ending: Ending, ms: int) -> Report:
        """A resource is stored."""
        task, stored = errand.task, ending.stored
        assert stored is not None  # noqa: S101  # the caller has looked
        self._completed(task.job_type).inc()
        fields = {
            "http_status": str(stored.status),
            "bucket": stored.object.bucket,
            "storage_key": stored.object.key,
            "bytes": str(stored.object.size_bytes),
            "sha256": stored.sha256,
            "attempts": str(ending.attempts),
            "duration_ms": str(ms),
        }
        if ending.proxy:
            fields["proxy"] = ending.proxy
        outcome = Outcome(
            resource_id=task.resource_id,
            state=JobState.COMPLETED,
            attempts=ending.attempts,
            storage_key=stored.object.key,
            size_bytes=stored.object.size_bytes,
        )
        log = self._event(task, LogLevel.INFO, "task.completed", "resource stored", fields)
        return Report(message=message, task=task, outcome=outcome, log=log)

    def failed(self, message: Message, task: DownloadTask, cause: Failure, attempts: int) -> Report:
        """A resource is given up on."""
        self._metrics.tasks.labels("failed", task.job_type).inc()
        fields = _failed_fields(cause) | {"attempts": str(attempts)}
        outcome = Outcome(
            resource_id=task.resource_id,
            state=JobState.FAILED,
            failure_code=cause.code,
            failure_message=cause.message,
            retryable=cause.retryable,
            attempts=attempts,
            context=cause.context,
        )
        letter = DeadLetter(
            task=task,
            failure_code=cause.code,
            failure_message=cause.message,
            attempts=attempts,
            failed_at_ms=self._clock(),
            metadata={
                **cause.context,
                "url": mask_url(task.url),
                "worker_id": self._worker_id,
                "source_partition": str(message.partition),
                "source_offset": str(message.offset),
            },
        )
        log = self._event(task, LogLevel.ERROR, "task.failed", cause.message, fields)
        has_owner = bool(task.job_id and task.resource_id)
        return Report(
            message=message,
            task=task,
            outcome=outcome if has_owner else None,
            log=log,
            dead_letter=letter,
        )

    def _event(
        self,
        task: DownloadTask,
        level: LogLevel,
        event: str,
        text: str,
        fields: Mapping[str, str],
    ) -> LogEvent:
        """Make the event for jobs.logs, and write it to stdout too."""
        full = {
            "event": event,
            "url": mask_url(task.url),
            "worker_id": self._worker_id,
            "job_type": task.job_type,
            "tenant": task.tenant,
            **fields,
        }
        at = _STDOUT_LEVEL[level]
        if _log.isEnabledFor(at):
            ids = {
                "job_id": task.job_id,
                "resource_id": task.resource_id,
                "trace_id": task.trace_id,
            }
            _log.log(at, event, extra=full | ids | {"detail": text})
        return LogEvent(
            job_id=task.job_id,
            resource_id=task.resource_id,
            level=level,
            message=text,
            fields=full,
            timestamp_ms=self._clock(),
            trace_id=task.trace_id,
        )


def _failed_fields(cause: Failure) -> dict[str, str]:
    fields = {"code": str(cause.code), **cause.context}
    if (status := fields.pop("status", None)) is not None:
        fields["http_status"] = status
    return fields
