"""IT-12: retries happen, and after the limit a dead letter exists."""

from itertools import pairwise

import pytest

from tests.common.context import Json, SubmittedJob, TestContext
from tests.common.manifests import manifest, resource
from tests.common.topics import dead_letters
from tests.common.wiremock import Reply

#: worker.download_retry_limit, retry_backoff_ms and max_backoff_ms of the test stack.
ATTEMPTS = 3
BACKOFF_MS = 50
MAX_BACKOFF_MS = 500
#: WireMock notes times in whole milliseconds, the worker's timers are exact to a few.
SLACK_MS = 8
TAGS = {"content_type": "text/plain", "colour": "red"}


def broken(context: TestContext) -> tuple[SubmittedJob, Json]:
    """Run a job whose only resource is answered 500 for ever."""
    url = context.answer("a", Reply(status=500, body=b"oops"))
    entry = resource("a", url, headers={"X-Trace-Me": "yes"}, tags=TAGS)
    job = context.submit_manifest(manifest(entry))
    return job, context.wait_for_job(job.job_id, "failed")


def test_a_broken_origin_is_tried_to_the_limit(context: TestContext) -> None:
    broken(context)

    seen = context.requests_for("a")
    assert len(seen) == ATTEMPTS
    gaps = [later.at_ms - earlier.at_ms for earlier, later in pairwise(seen)]
    assert gaps[0] >= BACKOFF_MS - SLACK_MS, gaps
    assert gaps[1] >= 2 * BACKOFF_MS - SLACK_MS, gaps


def test_after_the_limit_there_is_one_dead_letter(context: TestContext) -> None:
    job, _ = broken(context)
    seen = context.requests_for("a")

    (letter,) = dead_letters(context.iggy_client, job.job_id)
    assert letter.failure_code == "DOWNLOAD_HTTP_5XX"
    assert letter.failure_message
    assert letter.attempts == ATTEMPTS
    assert 0 <= letter.failed_at_ms - seen[-1].at_ms < 10_000
    assert letter.metadata["status"] == "500"


def test_a_dead_letter_holds_the_task_as_received(context: TestContext) -> None:
    job, _ = broken(context)

    (letter,) = dead_letters(context.iggy_client, job.job_id)
    task = letter.task
    assert (task.job_id, task.resource_id, task.url) == (job.job_id, "a", job.urls["a"])
    assert (task.job_type, task.tenant, task.attempt) == ("it", context.tenant, 1)
    assert {header.name: header.value for header in task.headers}["x-trace-me"] == "yes"
    assert dict(task.attributes.tags) == TAGS
    assert task.manifest_key == job.manifest_key


def test_the_snapshot_points_to_the_dead_letter(context: TestContext) -> None:
    job, shown = broken(context)

    assert shown["state"] == "failed"
    assert shown["resource_failed"] == 1
    assert shown["last_error"]["code"] == "DOWNLOAD_HTTP_5XX"
    place = shown["dlq"]
    assert place["stream"] == "jobs.dlq"
    (entry,) = context.get("/dlq", job_id=job.job_id).json()["entries"]
    assert (entry["partition"], entry["offset"]) == (place["partition"], place["offset"])


def test_dead_letters_are_counted(context: TestContext) -> None:
    before = context.stack.workers.value("fetchbox_worker_dlq_total", job_type="it")
    broken(context)
    assert context.stack.workers.value("fetchbox_worker_dlq_total", job_type="it") >= before + 1


def test_each_retry_and_the_end_are_logged(context: TestContext) -> None:
    url = context.answer("a", Reply(status=503))
    job, _ = context.run({"a": url}, status="failed")

    lines = context.log_lines(job.job_id)
    events = [(line["fields"]["event"], line["level"]) for line in lines]
    assert events == [("task.retry", "warn")] * ATTEMPTS + [("task.failed", "error")] or (
        events == [("task.retry", "warn")] * (ATTEMPTS - 1) + [("task.failed", "error")]
    ), events
    assert lines[-1]["fields"]["code"] == "DOWNLOAD_HTTP_5XX"
    assert lines[-1]["fields"]["attempts"] == str(ATTEMPTS)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_a_final_refusal_is_asked_once(context: TestContext, status: int) -> None:
    url = context.answer("a", Reply(status=status))
    job, shown = context.run({"a": url}, status="failed")

    assert len(context.requests_for("a")) == 1
    assert shown["last_error"]["code"] == "DOWNLOAD_HTTP_4XX"
    assert shown["last_error"]["context"]["status"] == str(status)
    (letter,) = dead_letters(context.iggy_client, job.job_id)
    assert letter.attempts == 1
    assert letter.metadata["status"] == str(status)


@pytest.mark.parametrize(
    "first",
    [Reply(status=429), Reply(status=408), Reply(status=500), Reply(status=503)],
    ids=["429", "408", "500", "503"],
)
def test_a_passing_refusal_is_asked_again(context: TestContext, first: Reply) -> None:
    url = context.answer("a", first, Reply(body=b"at last"))
    job, shown = context.run({"a": url})

    assert len(context.requests_for("a")) == 2
    assert shown["last_error"] is None
    assert context.object(job.key("a")).body == b"at last"
    assert not dead_letters(context.iggy_client, job.job_id)


def test_retry_after_is_waited_for_up_to_the_longest_backoff(context: TestContext) -> None:
    first = Reply(status=429, headers={"Retry-After": "30"})
    url = context.answer("a", first, Reply(body=b"patience"))
    context.run({"a": url})

    early, late = context.requests_for("a")
    assert late.at_ms - early.at_ms >= MAX_BACKOFF_MS - SLACK_MS


def test_a_mixed_job_fails_with_what_could_be_stored(context: TestContext) -> None:
    """One good, one out of attempts: `partial`, shown as failed."""
    urls = {"good": context.serve("good"), "bad": context.answer("bad", Reply(status=500))}
    _, shown = context.run(urls, status="failed")

    assert shown["state"] == "partial"
    assert (shown["resource_completed"], shown["resource_failed"]) == (1, 1)


def test_a_mixed_job_with_a_final_failure_is_failed(context: TestContext) -> None:
    urls = {"good": context.serve("good"), "gone": context.answer("gone", Reply(status=404))}
    _, shown = context.run(urls, status="failed")

    assert shown["state"] == "failed"
    assert (shown["resource_completed"], shown["resource_failed"]) == (1, 1)
