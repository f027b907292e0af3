"""The log of a job as server-sent events: range, resume, follow."""

import threading

import pytest

from tests.common.context import SubmittedJob, TestContext
from tests.common.events import Event


def finished_job(context: TestContext, resources: int = 4) -> SubmittedJob:
    job, _ = context.run({f"r{n}": context.serve(f"r{n}") for n in range(resources)})
    return job


def offsets(events: list[Event]) -> list[int]:
    return [int(event.id or -1) for event in events if event.name == "log"]


def test_a_log_is_replayed_to_its_tail(context: TestContext) -> None:
    job = finished_job(context)
    *logs, end = context.log_events(job.job_id)

    assert [event.name for event in logs] == ["log"] * 4
    assert sorted(event.data["resource_id"] for event in logs) == ["r0", "r1", "r2", "r3"]
    for event in logs:
        assert set(event.data) >= {
            "job_id",
            "resource_id",
            "level",
            "message",
            "fields",
            "timestamp_ms",
            "trace_id",
            "offset",
            "partition",
        }
        assert event.data["job_id"] == job.job_id
        assert event.id == str(event.data["offset"])
    assert end.name == "end"
    assert end.data["reason"] == "tail"
    assert end.data["count"] == 4
    assert end.data["next_offset"] > max(offsets(logs))


def test_the_fields_of_a_completion_tell_how_it_went(context: TestContext) -> None:
    job = finished_job(context, 1)
    (line,) = context.completions(job.job_id)
    fields = line["fields"]

    assert line["level"] == "info"
    assert fields["event"] == "task.completed"
    assert fields["url"] == job.urls["r0"]
    assert fields["http_status"] == "200"
    assert fields["bucket"] == "fetchbox-default"
    assert fields["storage_key"] == job.key("r0")
    assert fields["bytes"] == str(len(context.served[job.urls["r0"]]))
    assert fields["attempts"] == "1"
    assert fields["job_type"] == "it"
    assert fields["tenant"] == context.tenant
    assert int(fields["duration_ms"]) >= 0
    assert len(fields["sha256"]) == 64
    assert fields["worker_id"]


def test_a_log_resumes_after_the_last_event_seen(context: TestContext) -> None:
    job = finished_job(context)
    seen = offsets(context.log_events(job.job_id))
    rest = context.log_events(job.job_id, {"Last-Event-ID": str(seen[1])})

    assert offsets(rest) == seen[2:]


def test_a_log_starts_at_an_offset(context: TestContext) -> None:
    job = finished_job(context)
    seen = offsets(context.log_events(job.job_id))

    assert offsets(context.log_events(job.job_id, since_offset=seen[2])) == seen[2:]
    assert offsets(context.log_events(job.job_id, since_offset=0)) == seen


def test_a_limit_ends_the_stream(context: TestContext) -> None:
    job = finished_job(context)
    *logs, end = context.log_events(job.job_id, limit=2)
    rest = context.log_events(job.job_id, since_offset=end.data["next_offset"])

    assert len(logs) == 2
    assert (end.data["reason"], end.data["count"]) == ("limit", 2)
    assert len(offsets(rest)) == 2


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ({"limit": 0}, {}),
        ({"limit": 10_001}, {}),
        ({"since_offset": -1}, {}),
        ({"since_offset": "x"}, {}),
        ({"follow": "perhaps"}, {}),
        ({}, {"Last-Event-ID": "x"}),
    ],
    ids=str,
)
def test_a_wrong_range_is_refused(
    context: TestContext, query: dict[str, str | int], headers: dict[str, str]
) -> None:
    job = finished_job(context, 1)
    answer = context.stack.http.get(
        f"{context.operator_addr}/operators/jobs/{job.job_id}/logs",
        params=query,
        headers=context.operator_headers() | headers,
        timeout=5,
    )
    assert answer.status_code == 400


def test_the_stream_is_not_cached(context: TestContext) -> None:
    job = finished_job(context, 1)
    answer = context.get(f"/jobs/{job.job_id}/logs")

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["Cache-Control"] == "no-cache"


def test_a_followed_log_ends_when_the_job_has_ended(context: TestContext) -> None:
    """The client is there before the events are, and gets each of them once."""
    held = {f"h{n}": context.peer_bytes(5, verb="hold") for n in range(2)}
    urls = {"early": context.serve("early"), **held}
    document = {
        "manifest_version": "v1",
        "metadata": {},
        "resources": [{"id": name, "url": url} for name, url in urls.items()],
    }
    job = context.submit_manifest(document)
    opener = threading.Timer(0.3, context.stack.peers.release, [context.case])
    opener.start()
    events = context.log_events(job.job_id, follow="true")
    opener.join()

    ends = [e.data for e in events[:-1] if e.data["fields"]["event"] == "task.completed"]
    assert sorted(line["resource_id"] for line in ends) == ["early", "h0", "h1"]
    assert len(set(offsets(events))) == len(events) - 1
    assert (events[-1].name, events[-1].data["reason"]) == ("end", "terminal")
    assert context.snapshot(job.job_id)["status"] == "completed"


def test_a_followed_log_ends_at_its_limit(context: TestContext) -> None:
    job = finished_job(context)
    *logs, end = context.log_events(job.job_id, follow="true", limit=3)

    assert len(logs) == 3
    assert end.data["reason"] == "limit"


def test_viewers_do_not_take_events_from_each_other(context: TestContext) -> None:
    job = finished_job(context)
    first, second = (offsets(context.log_events(job.job_id)) for _ in range(2))
    assert first == second
