"""One member against a real file: giving partitions back, faults, fairness. The clock stands."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import apsw
import pytest

from fetchbox.broker.port import BrokerUnavailableError, Message, PartitionSpan, TopicSpec
from fetchbox.broker.sqlite_groups import Member
from fetchbox.broker.sqlite_log import Batch, create_topic, spans
from fetchbox.broker.sqlite_subscription import Pace, SqliteSubscription
from fetchbox.broker.streams import partition_of
from fetchbox.sqlite.transactions import READ, WRITE, Database, Transactions

SPEC = TopicSpec(name="t", partitions=2, retention_ms=1000)
LEASE_MS = 60_000
#: One key per partition.
KEYS = ["a", next(key for key in "bcdefgh" if partition_of(key, 2) != partition_of("a", 2))]


@dataclass
class Bench:
    """A file with a topic of two partitions, and members that share a clock."""

    path: Path
    writes: Transactions
    reads: Transactions
    now_ms: int = 0
    members: list[SqliteSubscription] = field(default_factory=list)

    async def join(self, name: str, window: int = 10) -> SqliteSubscription:
        member = SqliteSubscription(
            Member(id=name, topic="t", group="g"),
            Pace(window=window, lease_ms=LEASE_MS, poll_interval_ms=5),
            reads=self.reads,
            writes=self.writes,
            clock=lambda: self.now_ms,
        )
        self.members.append(member)
        await member.join()
        return member

    async def publish(self, key: str, *payloads: bytes) -> None:
        await self.writes.submit(Batch("t", key, payloads, 0).append)

    async def spans(self) -> list[PartitionSpan]:
        return await self.reads.submit(lambda connection, _: spans(connection, "t"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        other = apsw.Connection(str(self.path))
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    path = tmp_path / "broker.db"
    database = Database(path=path, lock_wait_ms=10, unavailable=BrokerUnavailableError)
    writes = Transactions(database, begin=WRITE)
    reads = Transactions(database, begin=READ)
    await writes.open(files("fetchbox.broker").joinpath("broker.sql").read_text())
    await reads.open()
    await writes.submit(lambda connection, _: create_topic(connection, SPEC))
    opened = Bench(path, writes, reads)
    yield opened
    for member in opened.members:
        member.abandon()
    await reads.close()
    await writes.close()


async def beat(*members: SqliteSubscription) -> None:
    for member in members:
        await asyncio.shield(member._beats.join())


def held(member: SqliteSubscription) -> set[int]:
    return set(member._claims)


async def receive(member: SqliteSubscription, count: int) -> list[Message]:
    messages: list[Message] = []
    async with asyncio.timeout(5):
        while len(messages) < count:
            messages += await member.next()
    return messages


async def test_idle_partition_is_given_back_at_once(bench: Bench) -> None:
    first = await bench.join("first")
    second = await bench.join("second")

    await beat(first, first, second)

    assert (len(held(first)), len(held(second))) == (1, 1)
    assert held(first).isdisjoint(held(second))


async def test_partition_with_open_deliveries_is_given_back_once_they_are_settled(
    bench: Bench,
) -> None:
    first = await bench.join("first")
    for key in KEYS:
        await bench.publish(key, b"1", b"2", b"3")
    received = await receive(first, 6)
    second = await bench.join("second")
    await beat(first, second)
    assert (len(held(first)), len(held(second))) == (2, 0)
    (leaving,) = [number for number, claim in first._claims.items() if claim.is_leaving]

    for key in KEYS:
        await bench.publish(key, b"late")
    assert {message.partition for message in await first.next()} == held(first) - {leaving}
    await first.settle([message for message in received if message.partition == leaving])
    await beat(first, second)

    assert held(second) == {leaving}
    assert [message.payload for message in await receive(second, 1)] == [b"late"]


async def test_partition_that_does_not_drain_goes_after_a_lease(bench: Bench) -> None:
    first = await bench.join("first")
    for key in KEYS:
        await bench.publish(key, b"slow")
    slow = await receive(first, 2)
    second = await bench.join("second")
    await beat(first, second)
    assert held(second) == set()

    bench.now_ms += LEASE_MS - 1
    await beat(second, first, second)
    assert held(second) == set()
    bench.now_ms += 1
    await beat(second, first, second)
    assert len(held(second)) == 1

    again = await receive(second, 1)
    await first.settle(slow)
    committed = {span.partition: span.committed.get("g") for span in await bench.spans()}
    assert committed[again[0].partition] is None
    assert committed[1 - again[0].partition] == 1


async def test_partition_is_kept_when_the_other_member_leaves_before_it_is_drained(
    bench: Bench,
) -> None:
    first = await bench.join("first")
    for key in KEYS:
        await bench.publish(key, b"1")
    await receive(first, 2)
    second = await bench.join("second")
    await beat(first)
    await second.leave()
    await beat(first)

    await bench.publish(KEYS[0], b"2")
    await bench.publish(KEYS[1], b"2")

    assert len(await receive(first, 2)) == 2


async def test_marks_of_a_failed_settle_are_committed_by_the_next(bench: Bench) -> None:
    member = await bench.join("member")
    await bench.publish("a", b"1", b"2")
    received = await receive(member, 2)

    with bench.locked(), pytest.raises(BrokerUnavailableError):
        await member.settle(received)
    await member.settle([])

    assert (await bench.spans())[partition_of("a", 2)].committed == {"g": 2}


async def test_failed_heartbeat_is_logged_and_made_up_for(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    member = await bench.join("member")
    before = held(member)

    with bench.locked(), pytest.raises(BrokerUnavailableError):
        await beat(member)
    await beat(member)

    assert "broker heartbeat failed" in caplog.messages
    assert held(member) == before


async def test_leaving_without_a_broker_is_no_error(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    member = await bench.join("member")

    with bench.locked(), caplog.at_level(logging.WARNING):
        await member.leave()

    assert caplog.messages == ["left a group without a word"]


async def test_beat_under_way_does_not_revive_a_member_that_left(bench: Bench) -> None:
    gone = await bench.join("gone")
    gone.reconsider()
    gone.reconsider()
    await gone.leave()

    other = await bench.join("other")

    assert held(other) == {0, 1}


async def test_settle_under_way_is_stored_before_leaving(bench: Bench) -> None:
    member = await bench.join("member")
    await bench.publish("a", *[b"x"] * 10)
    received = await receive(member, 10)

    async with asyncio.TaskGroup() as tasks:
        for message in received:
            tasks.create_task(member.settle([message]))
        await asyncio.sleep(0)
        await member.leave()

    assert (await bench.spans())[partition_of("a", 2)].committed == {"g": 10}


async def test_partitions_take_turns_within_a_batch(bench: Bench) -> None:
    """A job of many resources does not hold up one of few."""
    await bench.publish(KEYS[0], *[b"long"] * 5)
    await bench.publish(KEYS[1], *[b"short"] * 2)
    member = await bench.join("member")

    batch: Sequence[Message] = await member.next()

    assert sorted(message.payload for message in batch[:4]) == [b"long"] * 2 + [b"short"] * 2
    assert [message.payload for message in batch[4:]] == [b"long"] * 3


async def test_change_unannounced_is_found_by_polling(bench: Bench) -> None:
    member = await bench.join("member")
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(member.next())
        await bench.publish("a", b"x")

    assert [message.payload for message in waiting.result()] == [b"x"]
