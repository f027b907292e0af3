import logging

import pytest

from fetchbox.broker.port import BrokerUnavailableError, TopicSpec
from fetchbox.broker.streams import topic_specs
from fetchbox.model.failure import FailureCode, failure
from fetchbox.operations.provision import provision
from fetchbox.storage.port import StorageError
from tests.fakes.broker import FakeBroker
from tests.fakes.storage import FakeStorage

TOPICS = topic_specs(tasks_days=7, status_days=14, logs_days=30, dlq_days=90)
DENIED = StorageError(failure(FailureCode.UPLOAD_ACCESS_DENIED, "storage answered 403"))


async def test_topics_and_buckets_are_made_and_may_be_made_again() -> None:
    broker, storage = FakeBroker(), FakeStorage()
    for _ in range(2):
        await provision(
            broker=broker, storage=storage, topics=TOPICS, buckets=["one", "two", "one"]
        )
    assert set(broker.log.topics) == {"jobs.tasks", "jobs.status", "jobs.logs", "jobs.dlq"}
    assert {"one", "two"} <= storage.buckets


async def test_a_topic_that_differs_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    broker = FakeBroker()
    await broker.ensure([TopicSpec(name="jobs.tasks", partitions=3, retention_ms=1)])
    await provision(broker=broker, storage=FakeStorage(), topics=TOPICS, buckets=[])
    found = [record.__dict__["reason"] for record in caplog.records]
    assert found == ["topic jobs.tasks has 3 partitions, not 8"]


async def test_a_bucket_that_fails_keeps_no_other_from_being_made(
    caplog: pytest.LogCaptureFixture,
) -> None:
    storage = FakeStorage()
    storage.fail_next(DENIED)
    with caplog.at_level(logging.WARNING), pytest.raises(StorageError, match="403"):
        await provision(broker=FakeBroker(), storage=storage, topics=TOPICS, buckets=["one", "two"])
    assert "one" not in storage.buckets
    assert "two" in storage.buckets
    assert [record.__dict__["bucket"] for record in caplog.records] == ["one"]


async def test_a_broker_that_is_away_is_told() -> None:
    broker = FakeBroker()
    broker.fail_next(BrokerUnavailableError("away"))
    with pytest.raises(BrokerUnavailableError):
        await provision(broker=broker, storage=FakeStorage(), topics=TOPICS, buckets=["one"])
