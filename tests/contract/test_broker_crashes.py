"""What survives when a worker or the server dies, on SQLite and on Iggy alike.

FETCHBOX_TEST_IGGY_SERVER names a server binary, run and killed here. FETCHBOX_TEST_OUTAGE_S is how
long it stays away (3 s).
"""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fetchbox.broker.port import Broker, BrokerUnavailableError, Message, Subscription, TopicSpec
from tests.contract.broker_process import HELD_WINDOW, TOPIC, opened
from tests.contract.iggy_server import IggyServer, server_binary

ROOT = Path(__file__).parents[2]
SPEC = TopicSpec(name=TOPIC, partitions=8, retention_ms=86_400_000, groups=("workers",))
OUTAGE_S = float(os.environ.get("FETCHBOX_TEST_OUTAGE_S", "3"))
WITHIN_S = 40 + OUTAGE_S


@dataclass
class Site:
    """A broker by its address; `server` is None where there is nothing to kill."""

    where: str
    broker: Broker
    exits: AsyncExitStack
    server: IggyServer | None = None

    async def another(self) -> Broker:
        return await self.exits.enter_async_context(opened(self.where))


@pytest.fixture(params=["sqlite", "iggy"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as exits:
        where, server = str(tmp_path / "broker.db"), None
        if request.param == "iggy":
            server = IggyServer(server_binary(), tmp_path / "iggy")
            exits.push_async_callback(server.kill)
            await server.start()
            where = f"iggy://{server.endpoint}"
        broker: Broker = await exits.enter_async_context(opened(where))
        await broker.ensure([SPEC])
        yield Site(where, broker, exits, server)


@pytest.fixture
def server(site: Site) -> IggyServer:
    if site.server is None:
        pytest.skip("SQLite has no server")
    return site.server


@asynccontextmanager
async def process(role: str, where: str) -> AsyncIterator[Process]:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.contract.broker_process", role, where),
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


async def publish_numbered(broker: Broker, count: int, prefix: str) -> list[str]:
    sent = [f"{prefix}-{number}" for number in range(count)]
    for number, payload in enumerate(sent):
        await broker.publish(TOPIC, f"job-{number % 32}", [payload.encode()])
    return sent


async def collect(subscription: Subscription, wanted: set[str]) -> list[Message]:
    """Settle until all that is wanted was seen; a lost connection is waited out."""
    found: list[Message] = []
    missing = set(wanted)
    async with asyncio.timeout(WITHIN_S):
        while missing:
            try:
                messages = await subscription.next()
                found += messages
                missing -= {message.payload.decode() for message in messages}
                await subscription.settle(messages)
            except BrokerUnavailableError:
                await asyncio.sleep(0.1)
    return found


async def committed(broker: Broker) -> dict[int, int]:
    spans = await broker.describe(TOPIC)
    return {each.partition: each.committed.get("workers", 0) for each in spans}


async def stored(broker: Broker) -> set[str]:
    return {
        message.payload.decode()
        for partition in range(SPEC.partitions)
        async for message in broker.read(TOPIC, partition, 0, limit=100_000)
    }


async def test_killed_worker_with_a_slow_task_per_partition_loses_nothing(site: Site) -> None:
    """It kept the first message of each partition: nothing is committed past it."""
    sent = set(await publish_numbered(site.broker, 400, "m"))
    given: list[str] = []
    async with asyncio.timeout(WITHIN_S), process("hold", site.where) as worker:
        async for line in lines(worker):
            given.append(line)
            if len(given) == SPEC.partitions * HELD_WINDOW:
                assert set((await committed(site.broker)).values()) == {0}
                worker.kill()

    async with (await site.another()).subscribe(TOPIC, "workers", window=HELD_WINDOW) as survivor:
        found = await collect(survivor, sent)

    assert len(found) == len(sent)
    assert sum((await committed(site.broker)).values()) == len(sent)


async def test_worker_killed_with_work_in_flight_repeats_one_window_at_most(site: Site) -> None:
    sent = set(await publish_numbered(site.broker, 400, "m"))
    done: list[str] = []
    async with asyncio.timeout(WITHIN_S), process("work", site.where) as worker:
        async for line in lines(worker):
            done.append(line)
            if len(done) == 150:
                worker.kill()
    started = set(done[1:])

    async with (await site.another()).subscribe(TOPIC, "workers", window=10) as survivor:
        found = await collect(survivor, sent - started)
    repeated = [each for each in found if each.payload.decode() in started]

    assert started | {each.payload.decode() for each in found} == sent
    for partition in range(SPEC.partitions):
        assert len([each for each in repeated if each.partition == partition]) <= 10


@dataclass
class Crew:
    """Worker processes and what they said, in the order it came."""

    exits: AsyncExitStack
    where: str
    seen: list[tuple[int, str]] = field(default_factory=list)
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def watch(self, number: int) -> None:
        worker = await self.exits.enter_async_context(process("work", self.where))
        async for line in lines(worker):
            async with self.grown:
                self.seen.append((number, line))
                self.grown.notify_all()

    def are_busy(self, count: int) -> bool:
        return len({number for number, _ in self.seen[-100:]}) == count

    async def have_seen(self, sent: set[str]) -> None:
        async with self.grown:
            await self.grown.wait_for(lambda: sent <= {line for _, line in self.seen})


async def test_scale_up_during_work_shares_and_loses_nothing(site: Site) -> None:
    sent = set(await publish_numbered(site.broker, 100, "before"))
    async with AsyncExitStack() as exits, asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
        crew = Crew(exits, site.where)
        watching = [tasks.create_task(crew.watch(0))]
        await crew.have_seen(sent)
        watching += [tasks.create_task(crew.watch(number)) for number in (1, 2)]
        while not crew.are_busy(3):
            sent |= set(await publish_numbered(site.broker, 32, f"more{len(sent)}"))
        await crew.have_seen(sent)
        for task in watching:
            task.cancel()


async def publish_until_refused(site: Site, server: IggyServer) -> list[str]:
    """Publish batches, have the server killed meanwhile; return what was acknowledged."""
    acknowledged: list[str] = []
    killing: asyncio.Task[None] | None = None
    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
        while True:
            batch = [f"late-{len(acknowledged)}-{part}" for part in range(3)]
            payloads = [each.encode() for each in batch]
            try:
                await site.broker.publish(TOPIC, f"job-{len(acknowledged) % 32}", payloads)
            except BrokerUnavailableError:
                return acknowledged
            acknowledged += batch
            if killing is None and len(acknowledged) >= 150:
                killing = tasks.create_task(server.kill())


async def test_acknowledged_survives_a_killed_server(site: Site, server: IggyServer) -> None:
    """And the group resumes where it was, with what it had not settled."""
    sent = set(await publish_numbered(site.broker, 200, "m"))
    async with (await site.another()).subscribe(TOPIC, "workers", window=100) as first:
        await collect(first, sent)
        before = await committed(site.broker)
    acknowledged = set(await publish_until_refused(site, server))
    await server.start()

    assert sent | acknowledged <= await stored(site.broker)
    assert await committed(site.broker) == before
    async with (await site.another()).subscribe(TOPIC, "workers", window=100) as second:
        found = await collect(second, acknowledged)
    assert not {each.payload.decode() for each in found} & sent


async def test_outage_is_told_in_time_and_outlived(site: Site, server: IggyServer) -> None:
    """The member stays: what it has in hand is settled, and new messages come, by themselves."""
    await site.broker.publish(TOPIC, "job-a", [b"one", b"two"])
    async with (await site.another()).subscribe(TOPIC, "workers", window=10) as member:
        in_hand: Sequence[Message] = []
        while len(in_hand) < 2:
            in_hand = [*in_hand, *await member.next()]
        await server.kill()
        began = time.monotonic()
        with pytest.raises(BrokerUnavailableError):
            await member.next()
        with pytest.raises(BrokerUnavailableError):
            await site.broker.publish(TOPIC, "job-a", [b"lost"])
        with pytest.raises(BrokerUnavailableError):
            await member.settle(in_hand)
        assert time.monotonic() - began < 5

        await asyncio.sleep(OUTAGE_S)  # the outage itself
        await server.start()
        await site.broker.publish(TOPIC, "job-a", [b"three"])
        found = await collect(member, {"three"})

    assert [each.payload for each in found] == [b"three"]
    assert sum((await committed(site.broker)).values()) == 3
