"""What `fetchbox streams` does, on every broker alike."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fetchbox.broker.port import Broker
from fetchbox.broker.streams import OPERATORS, PARTITIONS, STATUS, TASKS, WORKERS, topic_specs
from fetchbox.model.job import JobState
from fetchbox.model.outcome import StatusEvent
from fetchbox.operations.streams import describe_topics, publish_task, tail
from fetchbox.wire.codec import decode_task, encode_status
from tests.contract.brokers import STACKS, now_ms

SPECS = topic_specs(tasks_days=7, status_days=14, logs_days=30, dlq_days=90)
TASK = {"job_id": "job-a", "job_type": "default", "resource_id": "r1", "url": "https://x.example/a"}


@pytest.fixture(params=list(STACKS))
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    async with STACKS[request.param](tmp_path) as stack:
        opened = await stack.open()
        assert list(await opened.ensure(SPECS)) == []
        yield opened


async def test_setup_is_described_and_can_be_repeated(broker: Broker) -> None:
    assert list(await broker.ensure(SPECS)) == []

    found = {each.name: each.spans for each in await describe_topics(broker)}

    assert {name: len(spans) for name, spans in found.items()} == dict(PARTITIONS)
    assert all(span.next == 0 for spans in found.values() for span in spans)


async def test_a_published_task_is_where_it_is_said_to_be(broker: Broker) -> None:
    task, place = await publish_task(broker, json.dumps(TASK))

    assert place.offset == 0
    (found,) = [message async for message in broker.read(TASKS, place.partition, place.offset)]
    assert decode_task(found.payload) == task


async def test_a_groups_place_is_told_to_others_than_its_members(broker: Broker) -> None:
    _, place = await publish_task(broker, json.dumps(TASK))
    async with broker.subscribe(TASKS, WORKERS, window=10) as subscription:
        await subscription.settle(await subscription.next())
    async with broker.subscribe(STATUS, OPERATORS, window=10):
        pass

    spans = {each.name: each.spans for each in await describe_topics(broker)}

    assert spans[TASKS][place.partition].committed == {WORKERS: 1}
    assert all(span.committed.get(OPERATORS, 0) == 0 for span in spans[STATUS])


async def test_tail_shows_the_events_of_one_job_in_order(broker: Broker) -> None:
    for job_id, total in (("job-a", 1), ("job-b", 9), ("job-a", 2)):
        event = StatusEvent(
            job_id=job_id,
            job_type="default",
            state=JobState.QUEUED,
            resources_total=total,
            timestamp_ms=now_ms(),
            source="test",
        )
        await broker.publish(STATUS, job_id, [encode_status(event)])

    shown = [each async for each in tail(broker, STATUS, "job-a", follow=False)]

    assert [each.shown()["resources_total"] for each in shown] == [1, 2]
