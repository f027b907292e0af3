import json
from typing import Any

import pytest

from fetchbox.broker import streams
from fetchbox.broker.port import BrokerUnavailableError
from fetchbox.model.failure import FetchBoxError
from fetchbox.model.job import JobState
from fetchbox.model.outcome import LogEvent, LogLevel, StatusEvent
from fetchbox.operations.streams import describe_topics, publish_task, tail
from fetchbox.wire.codec import decode_task, encode_log, encode_status
from tests.fakes.broker import FakeBroker

TASK = {
    "job_id": "job-a",
    "job_type": "default",
    "resource_id": "r1",
    "url": "https://x.example/a",
    "headers": [{"name": "X-A", "value": "1"}],
    "attributes": {"tags": {"k": "v"}, "checksumHint": "sha256:00"},
}


async def test_every_topic_is_described(broker: FakeBroker) -> None:
    await broker.publish(streams.TASKS, "job-a", [b"x"])
    found = {each.name: each.spans for each in await describe_topics(broker)}
    assert {name: len(spans) for name, spans in found.items()} == dict(streams.PARTITIONS)
    assert sum(span.next for span in found[streams.TASKS]) == 1


async def test_a_topic_that_does_not_exist_has_no_spans() -> None:
    assert [list(each.spans) for each in await describe_topics(FakeBroker())] == [[], [], [], []]


async def test_a_task_file_is_published_with_its_defaults(broker: FakeBroker) -> None:
    task, place = await publish_task(broker, json.dumps(TASK))
    [payload] = broker.payloads(streams.TASKS)
    assert decode_task(payload) == task
    assert (task.attempt, task.tenant) == (1, "default")
    assert task.headers == (("x-a", "1"),)
    assert (dict(task.tags), task.checksum_hint) == ({"k": "v"}, "sha256:00")
    assert place.partition == streams.partition_of("job-a", 8)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"job_id": ""}, "job_id"),
        ({"job_type": ""}, "job_type"),
        ({"resource_id": ""}, "resource_id"),
        ({"url": ""}, "url"),
        ({"url": "ftp://x/a"}, "url must be absolute"),
        ({"resource_id": "../x"}, "resource_id must not contain"),
        ({"surprise": 1}, "surprise"),
        ({"attempt": "many"}, "attempt"),
        ({"headers": "none"}, "headers"),
    ],
)
async def test_a_bad_task_file_is_refused_and_its_field_named(
    broker: FakeBroker, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(FetchBoxError, match=named):
        await publish_task(broker, json.dumps({**TASK, **change}))
    assert broker.payloads(streams.TASKS) == []


async def test_text_that_is_no_json_is_refused(broker: FakeBroker) -> None:
    with pytest.raises(FetchBoxError, match="not the JSON form of a DownloadTask"):
        await publish_task(broker, "{")


async def log(broker: FakeBroker, job_id: str, text: str) -> None:
    event = LogEvent(
        job_id=job_id, resource_id="r", level=LogLevel.WARN, message=text, fields={"a": "b"}
    )
    await broker.publish(streams.LOGS, job_id, [encode_log(event)])


async def test_a_tail_shows_one_job_s_log_in_order(broker: FakeBroker) -> None:
    for number in range(3):
        await log(broker, "job-a", str(number))
        for other in ("job-b", "job-c", "job-d", "job-e"):
            await log(broker, other, "other")
    await broker.publish(streams.LOGS, "job-a", [b"\xff\xff"])
    found = [each.shown() async for each in tail(broker, streams.LOGS, "job-a", follow=False)]
    assert [each["message"] for each in found] == ["0", "1", "2"]
    assert found[0]["level"] == "warn"
    assert {"partition", "offset", "fields", "job_id", "timestamp_ms"} <= set(found[0])
    assert json.loads(json.dumps(found)) == found


async def test_a_tail_shows_status_too(broker: FakeBroker) -> None:
    event = StatusEvent(job_id="job-a", job_type="default", state=JobState.QUEUED)
    await broker.publish(streams.STATUS, "job-a", [encode_status(event)])
    [found] = [each async for each in tail(broker, streams.STATUS, "job-a", follow=False)]
    assert found.event == event
    assert found.shown()["state"] == "queued"


async def test_a_following_tail_shows_what_comes_later(broker: FakeBroker) -> None:
    await log(broker, "job-a", "early")
    waits = 0

    async def later(_seconds: float) -> None:
        nonlocal waits
        waits += 1
        await log(broker, "job-a", f"late {waits}")

    seen = []
    async for each in tail(broker, streams.LOGS, "job-a", follow=True, sleep=later):
        seen.append(each.shown()["message"])
        if len(seen) == 3:
            break
    assert seen == ["early", "late 1", "late 2"]


async def test_a_tail_of_a_topic_that_does_not_exist_says_what_to_do() -> None:
    with pytest.raises(BrokerUnavailableError, match="streams setup"):
        await anext(aiter(tail(FakeBroker(), streams.LOGS, "job-a", follow=True)))
