"""The broker as a bystander sees it: what is new, and how far the workers are behind."""

from pathlib import Path

import pytest

from fetchbox.broker.port import TopicSpec
from fetchbox.broker.sqlite import SqliteBroker
from fetchbox.broker.streams import LOGS, TASKS
from fetchbox.wire import jobs_pb2 as pb
from tests.common.topics import PARTITIONS
from tests.load.events import EventsAwayError, IggyEvents, SqliteEvents, count_events, events_of
from tests.load.plan import Order, Wanted
from tests.load.tally import Answer, Tally

TOPICS = [
    TopicSpec(name=name, partitions=PARTITIONS[name], retention_ms=60_000, groups=groups)
    for name, groups in ((LOGS, ()), (TASKS, ("workers",)))
]


def test_the_broker_decides_who_is_asked() -> None:
    assert events_of("sqlite:///broker/b.db") == SqliteEvents(path=Path("/broker/b.db"))
    assert isinstance(events_of("iggy://iggy:iggy@host:8090"), IggyEvents)


async def test_a_broker_that_is_not_there_is_away(tmp_path: Path) -> None:
    with pytest.raises(EventsAwayError):
        await SqliteEvents(path=tmp_path / "none.db").skip()


def event(kind: str, tenant: str = "run", resource_id: str = "0") -> bytes:
    fields = {"event": kind, "tenant": tenant, "duration_ms": "12"}
    return pb.JobLog(
        job_id="j", resource_id=resource_id, timestamp_ms=1_100, fields=fields
    ).SerializeToString()


def test_only_events_of_the_run_count() -> None:
    tally = Tally(late_s=0.01)
    order = Order(number=0, at_s=0, is_proxied=False, wanted=[Wanted(size=1)] * 2)
    tally.arrived(order, 1_000, 0.05, Answer(job_id="j"))
    payloads = [
        event("task.retry"),
        event("task.completed"),
        event("task.failed", resource_id="1"),
        event("task.completed", tenant="another", resource_id="2"),
        event("task.replayed"),
    ]
    count_events(payloads, "run", tally)
    assert (tally.stored, tally.failed, tally.retries, tally.backlog) == (1, 1, 1, 0)
    assert tally.latencies.fetched.max == 12_000


async def test_new_messages_are_told_once_and_lag_is_what_is_not_settled(tmp_path: Path) -> None:
    path = tmp_path / "broker.db"
    async with SqliteBroker(path=path, clock=lambda: 1_700_000_000_000) as broker:
        await broker.ensure(TOPICS)
        await broker.publish(LOGS, "old", [b"before"])
        events = SqliteEvents(path=path)
        await events.skip()
        await broker.publish(LOGS, "a", [b"1", b"2"])
        await broker.publish(LOGS, "b", [b"3"])
        await broker.publish(TASKS, "a", [b"x", b"y"])
        assert sorted(await events.read()) == [b"1", b"2", b"3"]
        assert await events.read() == []
        assert await events.lag(TASKS, "workers") == 2
        assert await events.lag(TASKS, "nobody") == 2
        assert await events.lag(LOGS, "workers") == 4
