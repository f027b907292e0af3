"""What the SQLite broker promises beyond the port: wake-up, retention, one fsync for many."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from fetchbox.broker.port import BrokerUnavailableError, TopicSpec
from fetchbox.broker.sqlite import SqliteBroker
from fetchbox.broker.wakeup import ADDRESS_BYTES, Wakeup, wakeup_folder
from fetchbox.model.retry import RetryPolicy
from tests.contract.brokers import now_ms

SPEC = TopicSpec(name="t", partitions=1, retention_ms=1000)


@pytest.fixture
async def wakeup(tmp_path: Path) -> AsyncIterator[tuple[Wakeup, asyncio.Queue[bytes]]]:
    received: asyncio.Queue[bytes] = asyncio.Queue()
    opened = Wakeup(tmp_path / "w.db")
    opened.open(received.put_nowait)
    yield opened, received
    opened.close()


async def test_signal_reaches_every_listener(
    wakeup: tuple[Wakeup, asyncio.Queue[bytes]], tmp_path: Path
) -> None:
    own, received = wakeup
    others: asyncio.Queue[bytes] = asyncio.Queue()
    other = Wakeup(tmp_path / "w.db")
    other.open(others.put_nowait)

    own.send([b"+t"])

    async with asyncio.timeout(5):
        assert [await received.get(), await others.get()] == [b"+t", b"+t"]
    other.close()
    own.send([b"+u"])
    assert await received.get() == b"+u"


async def test_socket_of_a_dead_process_is_cleared_away(
    wakeup: tuple[Wakeup, asyncio.Queue[bytes]], tmp_path: Path
) -> None:
    own, received = wakeup
    dead = wakeup_folder(tmp_path / "w.db") / "dead"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left_behind:
        left_behind.bind(str(dead))

    own.send([b"+t"])

    assert not dead.exists()
    async with asyncio.timeout(5):
        assert await received.get() == b"+t"


async def test_dead_process_is_named_once(tmp_path: Path) -> None:
    deaths: asyncio.Queue[str] = asyncio.Queue()
    own = Wakeup(tmp_path / "w.db")
    own.open(lambda _: None, deaths.put_nowait)
    closed = Wakeup(tmp_path / "w.db")
    closed.open(lambda _: None)
    closed.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left_behind:
        left_behind.bind(str(wakeup_folder(tmp_path / "w.db") / "dead"))

    own.send([b"+t", b"+u"])
    own.send([b"+t"])

    async with asyncio.timeout(5):
        assert await deaths.get() == "dead"
    await asyncio.sleep(0)
    assert deaths.empty()
    own.close()


async def test_flood_of_signals_neither_blocks_nor_fails(
    wakeup: tuple[Wakeup, asyncio.Queue[bytes]],
) -> None:
    own, received = wakeup

    for _ in range(2000):
        own.send([b"+t"])

    async with asyncio.timeout(5):
        assert await received.get() == b"+t"


def test_wakeup_folder_is_beside_the_file_unless_its_address_is_too_long(tmp_path: Path) -> None:
    near, far = Path("/srv/broker.db"), tmp_path / ("x" * ADDRESS_BYTES) / "broker.db"

    assert wakeup_folder(near) == Path("/srv/broker.db.wake")
    assert wakeup_folder(far) == wakeup_folder(far)
    assert wakeup_folder(far) != wakeup_folder(far.with_name("other.db"))
    assert len(os.fsencode(wakeup_folder(far))) < ADDRESS_BYTES


async def test_broker_works_without_wakeup(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where no socket can be bound, members poll."""
    path = tmp_path / "broker.db"
    folder = wakeup_folder(path)  # not always beside the file: an address is short
    folder.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        async with SqliteBroker(path=path, poll_interval_ms=5, clock=now_ms) as broker:
            await broker.ensure([SPEC])
            async with broker.subscribe("t", "g", window=5) as subscription:
                await broker.publish("t", "key", [b"x"])
                async with asyncio.timeout(5):
                    (message,) = await subscription.next()

    folder.unlink()
    assert message.payload == b"x"
    said = [each.message for each in caplog.records if each.name == "fetchbox.broker.wakeup"]
    assert said == ["broker wake-up unavailable, polling only"]


async def test_retention_is_applied_on_ensure(tmp_path: Path) -> None:
    now = [10_000]
    async with SqliteBroker(path=tmp_path / "broker.db", clock=lambda: now[0]) as broker:
        await broker.ensure([SPEC])
        await broker.publish("t", "key", [b"old"] * 3)
        now[0] += 1001
        await broker.publish("t", "key", [b"new"])

        await broker.ensure([SPEC])

        (span,) = await broker.describe("t")
        assert (span.first, span.next) == (3, 4)


async def test_purge_of_many_messages_goes_to_the_end(tmp_path: Path) -> None:
    async with SqliteBroker(path=tmp_path / "broker.db", clock=now_ms) as broker:
        await broker.ensure([SPEC])
        await broker.publish("t", "key", [b"x"] * 5000)

        await broker.purge("t")

        (span,) = await broker.describe("t")
        assert (span.first, span.next) == (5000, 5000)


async def test_read_pages_through_many_messages(tmp_path: Path) -> None:
    async with SqliteBroker(path=tmp_path / "broker.db", clock=now_ms) as broker:
        await broker.ensure([SPEC])
        await broker.publish("t", "key", [b"x"] * 2500)

        found = [message.offset async for message in broker.read("t", 0, 100, limit=2300)]

    assert found == list(range(100, 2400))


async def test_short_retry_policy_bounds_the_wait_for_a_lock(tmp_path: Path) -> None:
    policy = RetryPolicy(max_attempts=3, base_ms=1, cap_ms=10)
    path = tmp_path / "broker.db"
    async with AsyncExitStack() as stack:
        holder, waiter = [
            await stack.enter_async_context(SqliteBroker(path=path, clock=now_ms, retry=policy))
            for _ in range(2)
        ]
        await holder.ensure([SPEC])
        holder._writes._connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(BrokerUnavailableError, match="locked"):
            await waiter.publish("t", "key", [b"x"])
        holder._writes._connection.execute("ROLLBACK")


async def test_folder_that_cannot_be_made_is_an_unavailable_broker(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(BrokerUnavailableError, match="folder"):
        async with SqliteBroker(path=tmp_path / "file" / "broker.db", clock=now_ms):
            pass
