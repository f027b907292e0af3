"""The SQLite broker between real processes, some of which are killed."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from fetchbox.broker.port import TopicSpec
from fetchbox.broker.sqlite import SqliteBroker
from tests.contract.broker_process import TOPIC
from tests.contract.brokers import LEASE_MS, now_ms

ROOT = Path(__file__).parents[2]
SPEC = TopicSpec(name=TOPIC, partitions=8, retention_ms=86_400_000, groups=("workers",))


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[SqliteBroker]:
    path = tmp_path / "broker.db"
    async with SqliteBroker(path=path, lease_ms=LEASE_MS, clock=now_ms) as opened:
        await opened.ensure([SPEC])
        yield opened


@asynccontextmanager
async def process(role: str, path: Path, lease_ms: int = LEASE_MS) -> AsyncIterator[Process]:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.contract.broker_process", role, str(path), str(lease_ms)),
        cwd=ROOT,
        stdout=PIPE,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def lines(started: Process) -> AsyncIterator[str]:
    assert started.stdout is not None
    while line := await started.stdout.readline():
        yield line.decode().strip()


async def test_acknowledged_batches_survive_a_killed_publisher(
    broker: SqliteBroker, tmp_path: Path
) -> None:
    """Each batch that was acknowledged is there, whole and at its offset."""
    acknowledged: list[Sequence[int]] = []
    async with asyncio.timeout(30), process("publish", tmp_path / "broker.db") as publisher:
        async for line in lines(publisher):
            acknowledged.append([int(word) for word in line.split()])
            if len(acknowledged) == 50:
                publisher.kill()
    assert len(acknowledged) >= 50

    found = {
        (message.partition, message.offset): message.payload.decode()
        for partition in range(8)
        async for message in broker.read(TOPIC, partition, 0)
    }

    for partition, offset, number in acknowledged:
        parts = [found[partition, offset + part] for part in range(3)]
        assert parts == [f"{number}-{part}" for part in range(3)]
    assert len(found) % 3 == 0


async def test_workers_share_and_a_killed_one_loses_nothing(
    broker: SqliteBroker, tmp_path: Path
) -> None:
    sent = {f"m{number}" for number in range(300)}
    reports: list[tuple[int, str]] = []
    joined = asyncio.Event()
    complete = asyncio.Event()

    async def watch(number: int, started: Process) -> None:
        async for line in lines(started):
            reports.append((number, line))
            if [line for _, line in reports].count("joined") == 3:
                joined.set()
            if len(reports) == 100:
                workers[0].kill()
            if sent <= {line for _, line in reports}:
                complete.set()

    async with AsyncExitStack() as stack, asyncio.timeout(40):
        workers = [
            await stack.enter_async_context(process("work", tmp_path / "broker.db"))
            for _ in range(3)
        ]
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(watch(*each)) for each in enumerate(workers)]
            await joined.wait()
            for number, payload in enumerate(sorted(sent)):
                await broker.publish(TOPIC, f"job-{number % 24}", [payload.encode()])
            await complete.wait()
            for task in watching:
                task.cancel()

    seen = [line for _, line in reports if line != "joined"]
    assert set(seen) == sent
    assert {number for number, line in reports if line != "joined"} == {0, 1, 2}
    # Twice at most: the one that was reported, but not yet settled, when its process was killed.
    assert len(seen) <= len(sent) + 1


async def test_successor_need_not_wait_for_the_lease_of_a_killed_worker(
    broker: SqliteBroker, tmp_path: Path
) -> None:
    path, hour_ms = tmp_path / "broker.db", 3_600_000
    async with asyncio.timeout(30), process("work", path, hour_ms) as worker:
        assert await anext(lines(worker)) == "joined"
        worker.kill()
        await worker.wait()

    async with asyncio.timeout(30), process("work", path, hour_ms) as successor:
        said = lines(successor)
        assert await anext(said) == "joined"
        await broker.publish(TOPIC, "job", [b"m"])
        assert await anext(said) == "m"


async def test_new_file_opened_by_several_processes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "broker.db"
    brokers = [SqliteBroker(path=path, clock=now_ms) for _ in range(8)]
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(broker) for broker in brokers))
        await asyncio.gather(*(broker.ensure([SPEC]) for broker in brokers))

        spans = await brokers[0].describe(TOPIC)

    assert len(spans) == 8
