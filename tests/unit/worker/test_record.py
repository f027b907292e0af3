"""What is written down about a task, and what is counted (contract 3.1, 5.9)."""

import logging
from typing import Any

import pytest

from fetchbox.broker.port import Message
from fetchbox.model.job import JobState
from fetchbox.model.outcome import LogLevel
from fetchbox.model.task import DownloadTask
from fetchbox.storage.port import StoredObject
from fetchbox.telemetry.metrics import Metrics
from fetchbox.worker.download import Culprit, Ending, FailedAttempt, Stored
from fetchbox.worker.record import Recorder
from fetchbox.worker.target import Errand
from tests.factories import JOB_ID, NOW_MS, TRACE_ID, make_endpoint, make_failure, make_task
from tests.fakes.meter import Meter

MESSAGE = Message(3, 42, b"")
TASK = make_task(url="http://u:s3cret@origin.test/r1?key=s3cret")
COMMON = {
    "url": "http://***@origin.test/r1?***",
    "worker_id": "w1",
    "job_type": "default",
    "tenant": "acme",
}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def meter(metrics: Metrics) -> Meter:
    return Meter(metrics.registry)


@pytest.fixture
def recorder(metrics: Metrics) -> Recorder:
    return Recorder("w1", clock=lambda: NOW_MS, metrics=metrics)


def errand_of(task: DownloadTask) -> Errand:
    return Errand(task=task, headers=(), endpoints=(), bucket="b", key="k", expected_sha256=None)


def failed_attempt(culprit: str, **matters: Any) -> FailedAttempt:
    return FailedAttempt(
        **{
            "errand": errand_of(TASK),
            "failure": make_failure("DOWNLOAD_HTTP_5XX", attempt=1, status=502),
            "endpoint": make_endpoint("eu"),
            "culprit": Culprit(culprit),
            "will_retry": True,
            **matters,
        }
    )


def test_completed_task_tells_everything_the_contract_names(
    recorder: Recorder, meter: Meter
) -> None:
    stored = Stored(
        object=StoredObject(bucket="b", key="k", etag="e", size_bytes=5), sha256="d", status=200
    )
    ending = Ending(attempts=2, stored=stored, proxy="proxies/eu#1")

    report = recorder.completed(MESSAGE, errand_of(TASK), ending, 17)

    assert report.log.level is LogLevel.INFO
    assert (report.log.job_id, report.log.resource_id) == (JOB_ID, "r1")
    assert (report.log.trace_id, report.log.timestamp_ms) == (TRACE_ID, NOW_MS)
    assert report.log.fields == {
        **COMMON,
        "event": "task.completed",
        "http_status": "200",
        "bucket": "b",
        "storage_key": "k",
        "bytes": "5",
        "sha256": "d",
        "attempts": "2",
        "duration_ms": "17",
        "proxy": "proxies/eu#1",
    }
    assert report.outcome is not None
    assert (report.outcome.state, report.outcome.attempts) == (JobState.COMPLETED, 2)
    assert (report.outcome.storage_key, report.outcome.size_bytes) == ("k", 5)
    assert report.dead_letter is None
    assert meter.growth("fetchbox_worker_tasks_total", result="completed", job_type="default") == 1


def test_direct_download_names_no_proxy(recorder: Recorder) -> None:
    stored = Stored(
        object=StoredObject(bucket="b", key="k", etag="e", size_bytes=5), sha256="d", status=200
    )
    report = recorder.completed(MESSAGE, errand_of(TASK), Ending(attempts=1, stored=stored), 1)
    assert "proxy" not in report.log.fields


def test_failed_task_tells_why_and_is_a_dead_letter(recorder: Recorder, meter: Meter) -> None:
    cause = make_failure("DOWNLOAD_HTTP_5XX", attempt=3, status=502, proxy="proxies/eu#1")

    report = recorder.failed(MESSAGE, TASK, cause, 3)

    assert report.log.level is LogLevel.ERROR
    assert report.log.message == cause.message
    assert report.log.fields == {
        **COMMON,
        "event": "task.failed",
        "code": "DOWNLOAD_HTTP_5XX",
        "attempt": "3",
        "attempts": "3",
        "http_status": "502",
        "proxy": "proxies/eu#1",
    }
    letter = report.dead_letter
    assert letter is not None
    assert letter.task is TASK
    assert (letter.failure_code, letter.failure_message) == (cause.code, cause.message)
    assert (letter.attempts, letter.failed_at_ms) == (3, NOW_MS)
    assert letter.metadata == {
        "attempt": "3",
        "status": "502",
        "proxy": "proxies/eu#1",
        "url": COMMON["url"],
        "worker_id": "w1",
        "source_partition": "3",
        "source_offset": "42",
    }
    assert report.outcome is not None
    assert (report.outcome.state, report.outcome.retryable) == (JobState.FAILED, True)
    assert report.outcome.failure_code == "DOWNLOAD_HTTP_5XX"
    assert meter.growth("fetchbox_worker_tasks_total", result="failed", job_type="default") == 1


@pytest.mark.parametrize("missing", [{"job_id": ""}, {"resource_id": ""}])
def test_task_of_nobody_has_no_outcome(recorder: Recorder, missing: dict[str, str]) -> None:
    cause = make_failure("VALIDATION_MISSING_FIELD")
    report = recorder.failed(MESSAGE, make_task(**missing), cause, 1)
    assert report.outcome is None
    assert report.dead_letter is not None


@pytest.mark.parametrize(
    ("culprit", "endpoint", "counted"),
    [
        pytest.param("origin", None, {"download": 1}, id="direct"),
        pytest.param(
            "origin", make_endpoint("eu"), {"download": 1, "proxy": 1}, id="through-proxy"
        ),
        pytest.param("proxy", make_endpoint("eu"), {"proxy": 1}, id="proxy-side-is-no-attempt"),
        pytest.param("storage", make_endpoint("eu"), {"storage": 1}, id="upload"),
    ],
)
def test_failed_attempt_is_counted_where_it_belongs(
    recorder: Recorder, meter: Meter, culprit: str, endpoint: Any, counted: dict[str, int]
) -> None:
    recorder.attempt_failed(failed_attempt(culprit, endpoint=endpoint))

    code = {"code": "DOWNLOAD_HTTP_5XX", "job_type": "default"}
    found = {
        "download": meter.growth("fetchbox_worker_download_failures_total", **code),
        "storage": meter.growth("fetchbox_worker_storage_failures_total", **code),
        "proxy": meter.growth("fetchbox_proxy_failures_total", pool="eu", job_type="default"),
    }
    assert {name: value for name, value in found.items() if value} == counted


def test_retry_is_a_warning_and_the_last_attempt_is_not_told_twice(recorder: Recorder) -> None:
    event = recorder.attempt_failed(failed_attempt("origin"))
    assert event is not None
    assert event.level is LogLevel.WARN
    assert event.fields == {
        **COMMON,
        "event": "task.retry",
        "code": "DOWNLOAD_HTTP_5XX",
        "attempt": "1",
        "http_status": "502",
    }
    assert recorder.attempt_failed(failed_attempt("origin", will_retry=False)) is None


def test_body_is_measured(recorder: Recorder, meter: Meter) -> None:
    recorder.downloaded(errand_of(TASK), 5, 0.25)

    assert meter.growth("fetchbox_worker_download_bytes_total", job_type="default") == 5
    assert meter.growth("fetchbox_worker_download_latency_seconds_count") == 1
    assert meter.growth("fetchbox_worker_download_latency_seconds_sum") == 0.25


def test_event_goes_to_stdout_with_its_ids_and_without_secrets(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        recorder.failed(MESSAGE, TASK, make_failure("DOWNLOAD_TIMEOUT"), 3)

    (line,) = caplog.records
    assert (line.levelno, line.message) == (logging.WARNING, "task.failed")
    shown = vars(line)
    assert shown["job_id"] == JOB_ID
    assert shown["resource_id"] == "r1"
    assert shown["trace_id"] == TRACE_ID
    assert shown["detail"].endswith("DOWNLOAD_TIMEOUT")
    assert "s3cret" not in f"{shown}"


def test_quiet_worker_writes_no_line_per_task(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    stored = Stored(
        object=StoredObject(bucket="b", key="k", etag="e", size_bytes=5), sha256="d", status=200
    )
    with caplog.at_level(logging.WARNING):
        recorder.completed(MESSAGE, errand_of(TASK), Ending(attempts=1, stored=stored), 1)
    assert caplog.records == []
