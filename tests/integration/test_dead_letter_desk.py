"""Dead letters over HTTP: look, choose, replay."""

from typing import Any

import pytest
import requests

from runner.waiting import wait_until
from tests.common.context import SubmittedJob, TestContext
from tests.common.topics import dead_letters
from tests.common.wiremock import Reply


def entries(context: TestContext, **query: str | int) -> list[dict[str, Any]]:
    answer = context.get("/dlq", **query)
    assert answer.ok, answer.text
    found: list[dict[str, Any]] = answer.json()["entries"]
    return found


def replay(context: TestContext, **wanted: str | int) -> requests.Response:
    return context.stack.http.post(
        f"{context.operator_addr}/operators/dlq/replay",
        json=wanted,
        headers=context.operator_headers(),
        timeout=10,
    )


def replayed(context: TestContext, **wanted: str | int) -> tuple[int, int]:
    answer = replay(context, **wanted)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    return report["replayed"], report["skipped"]


def failed_job(context: TestContext, *names: str) -> SubmittedJob:
    """Run a job whose resources are missing once and there at the second look."""
    urls = {n: context.answer(n, Reply(status=404), Reply(body=b"found")) for n in names}
    job, _ = context.run(urls, status="failed")
    return job


def test_a_dead_letter_is_shown_without_request_headers(context: TestContext) -> None:
    url = context.answer("a", Reply(status=404))
    document = {
        "manifest_version": "v1",
        "metadata": {},
        "resources": [{"id": "a", "url": url, "headers": {"Authorization": "Bearer s3cret"}}],
    }
    job = context.submit_manifest(document)
    context.wait_for_job(job.job_id, "failed")
    (entry,) = entries(context, job_id=job.job_id)

    assert entry["resource_id"] == "a"
    assert entry["url"] == url
    assert entry["code"] == "DOWNLOAD_HTTP_4XX"
    assert (entry["attempts"], entry["attempt"]) == (1, 1)
    assert (entry["job_type"], entry["tenant"]) == ("it", context.tenant)
    assert entry["context"]["status"] == "404"
    assert entry["failed_at"].endswith("Z")
    assert "s3cret" not in str(entry)


def test_dead_letters_are_chosen_by_code(context: TestContext) -> None:
    urls = {
        "gone": context.answer("gone", Reply(status=404)),
        "broken": context.answer("broken", Reply(status=500)),
    }
    job, _ = context.run(urls, status="failed")

    by_code = {
        code: [entry["resource_id"] for entry in entries(context, job_id=job.job_id, code=code)]
        for code in ("DOWNLOAD_HTTP_4XX", "DOWNLOAD_HTTP_5XX", "DOWNLOAD_TIMEOUT")
    }
    assert by_code == {
        "DOWNLOAD_HTTP_4XX": ["gone"],
        "DOWNLOAD_HTTP_5XX": ["broken"],
        "DOWNLOAD_TIMEOUT": [],
    }


def test_dead_letters_are_chosen_by_place(context: TestContext) -> None:
    job = failed_job(context, "a", "b")
    _, second = entries(context, job_id=job.job_id)
    place = {"partition": second["partition"], "offset": second["offset"]}

    assert entries(context, **place) == [second]


def test_a_limit_keeps_the_newest(context: TestContext) -> None:
    job = failed_job(context, "a", "b", "c")
    *_, second, third = entries(context, job_id=job.job_id)

    assert entries(context, job_id=job.job_id, limit=2) == [second, third]


def test_a_replayed_job_completes(context: TestContext) -> None:
    job = failed_job(context, "a", "b")
    assert replayed(context, job_id=job.job_id) == (2, 0)
    shown = context.wait_for_job(job.job_id, after="failed")

    assert (shown["resource_completed"], shown["resource_failed"]) == (2, 0)
    assert context.object(job.key("a")).body == b"found"
    assert [len(context.requests_for(name)) for name in ("a", "b")] == [2, 2]


def test_a_replay_counts_as_the_next_attempt(context: TestContext) -> None:
    """It fails again: a second dead letter, whose task is attempt 2."""
    url = context.answer("a", Reply(status=404))
    job, _ = context.run({"a": url}, status="failed")
    replayed(context, job_id=job.job_id)
    wait_until(
        lambda: len(dead_letters(context.iggy_client, job.job_id)) == 2, 10, "a second dead letter"
    )

    attempts = [letter.task.attempt for letter in dead_letters(context.iggy_client, job.job_id)]
    assert attempts == [1, 2]
    assert context.snapshot(job.job_id)["resource_failed"] == 1


def test_one_place_is_replayed(context: TestContext) -> None:
    job = failed_job(context, "a", "b")
    chosen, _ = entries(context, job_id=job.job_id)
    done = replayed(context, partition=chosen["partition"], offset=chosen["offset"])
    wait_until(lambda: context.snapshot(job.job_id)["resource_completed"] == 1, 10, "one stored")

    assert done == (1, 0)
    shown = context.snapshot(job.job_id)
    assert (shown["resource_completed"], shown["resource_failed"]) == (1, 1)


def test_one_code_is_replayed(context: TestContext) -> None:
    urls = {
        "gone": context.answer("gone", Reply(status=404), Reply(body=b"found")),
        "broken": context.answer("broken", Reply(status=500)),
    }
    job, _ = context.run(urls, status="failed")
    done = replayed(context, job_id=job.job_id, code="DOWNLOAD_HTTP_4XX")
    wait_until(lambda: context.snapshot(job.job_id)["resource_completed"] == 1, 10, "one stored")

    assert done == (1, 0)
    assert len(context.requests_for("broken")) == 3


def test_completed_resources_are_not_replayed(context: TestContext) -> None:
    job = failed_job(context, "a")
    replayed(context, job_id=job.job_id)
    context.wait_for_job(job.job_id, after="failed")

    assert replayed(context, job_id=job.job_id) == (0, 1)
    assert len(context.requests_for("a")) == 2


@pytest.mark.parametrize(
    "wanted", [{"partition": 0}, {"offset": 3}, {"limit": 0}, {"job": "x"}], ids=str
)
def test_a_wrong_choice_is_refused(context: TestContext, wanted: dict[str, int]) -> None:
    """A misspelt filter must not replay everything."""
    assert replay(context, **wanted).status_code == 400
