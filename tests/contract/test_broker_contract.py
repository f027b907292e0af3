"""What every broker promises, the fake included (fetchbox.broker.port)."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from fetchbox.broker.port import Broker, BrokerUnavailableError, Message, Subscription, TopicSpec
from fetchbox.broker.streams import partition_of
from fetchbox.broker.watermark import OVERTAKING
from fetchbox.model.failure import FetchBoxError
from fetchbox.telemetry.tracing import span
from tests.contract.brokers import STACKS, Stack
from tests.fakes.tracing import recording

TOPIC = "jobs.tasks"
PARTITIONS = 4
SPEC = TopicSpec(name=TOPIC, partitions=PARTITIONS, retention_ms=86_400_000, groups=("workers",))
UNREAD = TopicSpec(name="jobs.dlq", partitions=2, retention_ms=86_400_000)
KEYS = ["job-a", "job-b", "job-c", "job-d", "job-e", "job-f", "job-g", "job-h"]
WITHIN_S = 10
QUIET_S = 0.1


@pytest.fixture(params=list(STACKS))
async def stack(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stack]:
    async with STACKS[request.param](tmp_path) as opened:
        yield opened


@pytest.fixture
async def broker(stack: Stack) -> Broker:
    opened = await stack.open()
    await opened.ensure([SPEC])
    return opened


@pytest.fixture
async def exits() -> AsyncIterator[AsyncExitStack]:
    """Hold subscriptions that end before, or with, the test."""
    async with AsyncExitStack() as opened:
        yield opened


async def join(
    exits: AsyncExitStack, broker: Broker, *, group: str = "workers", window: int = 100
) -> Subscription:
    return await exits.enter_async_context(broker.subscribe(TOPIC, group, window=window))


async def receive(subscription: Subscription, count: int) -> list[Message]:
    """Wait for exactly `count` messages, settling none."""
    messages: list[Message] = []
    async with asyncio.timeout(WITHIN_S):
        while len(messages) < count:
            messages += await subscription.next()
    assert len(messages) == count
    return messages


async def is_quiet(subscription: Subscription) -> bool:
    try:
        async with asyncio.timeout(QUIET_S):
            await subscription.next()
    except TimeoutError:
        return True
    return False


async def read_all(broker: Broker, partition: int) -> list[Message]:
    return [message async for message in broker.read(TOPIC, partition, 0)]


def payloads(messages: Iterable[Message]) -> list[bytes]:
    return [message.payload for message in messages]


def numbered(prefix: str, count: int) -> list[bytes]:
    return [f"{prefix}-{number}".encode() for number in range(count)]


async def publish_each(broker: Broker, count: int, prefix: str = "m") -> list[bytes]:
    """Publish single messages over all partitions."""
    sent = numbered(prefix, count)
    for number, payload in enumerate(sent):
        await broker.publish(TOPIC, KEYS[number % len(KEYS)], [payload])
    return sent


async def test_key_decides_the_partition(broker: Broker) -> None:
    for key in KEYS:
        published = await broker.publish(TOPIC, key, [key.encode()])

        assert published.partition == partition_of(key, PARTITIONS)
    assert {partition_of(key, PARTITIONS) for key in KEYS} == set(range(PARTITIONS))


async def test_a_publish_is_a_span_that_names_stream_and_partition(broker: Broker) -> None:
    with recording() as recorder, span("job", trace_id="a" * 32):
        published = await broker.publish(TOPIC, "key", [b"m"])

    (found,) = recorder.named("publish")
    assert found.trace_id == "a" * 32
    assert found.attributes == {"stream": TOPIC, "partition": published.partition}


async def test_messages_of_a_key_keep_their_order(broker: Broker, exits: AsyncExitStack) -> None:
    for number in range(20):
        await broker.publish(TOPIC, "job-a", [f"{number}".encode()])
    subscription = await join(exits, broker)

    received = await receive(subscription, 20)

    assert payloads(received) == [f"{number}".encode() for number in range(20)]
    assert [message.offset for message in received] == list(range(20))


async def test_batches_are_not_interleaved(broker: Broker) -> None:
    batches = [numbered(f"batch{number}", 50) for number in range(10)]

    published = await asyncio.gather(*(broker.publish(TOPIC, "job-a", batch) for batch in batches))

    found = payloads(await read_all(broker, partition_of("job-a", PARTITIONS)))
    assert len(found) == 500
    for batch, place in zip(batches, published, strict=True):
        start = found.index(batch[0])
        assert found[start : start + 50] == batch
        assert place.offset in {start, None}


async def test_publish_tells_the_offset_of_the_first(stack: Stack, broker: Broker) -> None:
    """A lone message's offset is always told: dead letters are pointed at by it."""
    first = await broker.publish(TOPIC, "job-a", [b"1", b"2"])
    second = await broker.publish(TOPIC, "job-a", [b"3"])

    assert (first.offset, second.offset) == (0 if stack.tells_offsets else None, 2)


async def test_payload_bytes_survive(broker: Broker, exits: AsyncExitStack) -> None:
    odd = [b" ", b"\x00\xff" * 100, "ü".encode(), b"x" * 100_000]
    await broker.publish(TOPIC, "job-a", odd)

    assert payloads(await receive(await join(exits, broker), 4)) == odd


async def test_publish_to_unknown_topic_is_refused(broker: Broker) -> None:
    with pytest.raises(BrokerUnavailableError):
        await broker.publish("nope", "key", [b"x"])


async def test_subscribe_to_unknown_topic_is_refused(broker: Broker) -> None:
    with pytest.raises(BrokerUnavailableError):
        async with broker.subscribe("nope", "workers", window=1):
            pass


async def test_waiting_reader_is_woken(broker: Broker, exits: AsyncExitStack) -> None:
    subscription = await join(exits, broker)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(receive(subscription, 1))
        assert not waiting.done()
        await broker.publish(TOPIC, "job-a", [b"x"])

    assert payloads(waiting.result()) == [b"x"]


async def test_cancelled_next_loses_nothing(broker: Broker, exits: AsyncExitStack) -> None:
    subscription = await join(exits, broker)
    assert await is_quiet(subscription)
    await broker.publish(TOPIC, "job-a", [b"x"])

    assert payloads(await receive(subscription, 1)) == [b"x"]


async def test_unsettled_is_redelivered_after_reopen(
    stack: Stack, broker: Broker, exits: AsyncExitStack
) -> None:
    await broker.publish(TOPIC, "job-a", numbered("m", 5))
    subscription = await join(exits, broker)
    received = await receive(subscription, 5)
    await subscription.settle(received[:2])
    await stack.close(broker)

    again = await join(exits, await stack.open())

    assert payloads(await receive(again, 3)) == numbered("m", 5)[2:]


async def test_settled_is_not_redelivered_after_reopen(
    stack: Stack, broker: Broker, exits: AsyncExitStack
) -> None:
    await publish_each(broker, 16)
    subscription = await join(exits, broker)
    await subscription.settle(await receive(subscription, 16))
    await stack.close(broker)

    again = await join(exits, await stack.open())

    assert await is_quiet(again)


async def test_settling_out_of_order_commits_only_the_run(
    broker: Broker, exits: AsyncExitStack
) -> None:
    """Settling 3 before 2 commits neither; settling 2 then commits both."""
    await broker.publish(TOPIC, "job-a", numbered("m", 4))
    subscription = await join(exits, broker)
    received = await receive(subscription, 4)
    await subscription.settle(received[:2])
    await subscription.settle(received[3:])

    assert await committed(broker, "job-a") == 2

    await subscription.settle(received[2:3])

    assert await committed(broker, "job-a") == 4


async def committed(broker: Broker, key: str, group: str = "workers") -> int | None:
    spans = await broker.describe(TOPIC)
    return spans[partition_of(key, PARTITIONS)].committed.get(group)


async def test_settling_twice_changes_nothing(broker: Broker, exits: AsyncExitStack) -> None:
    await broker.publish(TOPIC, "job-a", numbered("m", 2))
    subscription = await join(exits, broker)
    received = await receive(subscription, 2)

    await subscription.settle(received[:1])
    await subscription.settle(received[:1])
    await subscription.settle([])

    assert await committed(broker, "job-a") == 1


async def test_concurrent_settles_are_all_stored(broker: Broker, exits: AsyncExitStack) -> None:
    await broker.publish(TOPIC, "job-a", numbered("m", 100))
    subscription = await join(exits, broker)
    received = await receive(subscription, 100)

    await asyncio.gather(*(subscription.settle([message]) for message in reversed(received)))

    assert await committed(broker, "job-a") == 100


async def test_groups_are_independent(broker: Broker, exits: AsyncExitStack) -> None:
    sent = await publish_each(broker, 8)
    first = await join(exits, broker, group="workers")
    await first.settle(await receive(first, 8))

    second = await join(exits, broker, group="operators")

    assert sorted(payloads(await receive(second, 8))) == sorted(sent)
    assert await committed(broker, "job-a", "operators") is None


async def test_new_group_starts_at_the_earliest(broker: Broker, exits: AsyncExitStack) -> None:
    await broker.publish(TOPIC, "job-a", [b"old"])

    assert payloads(await receive(await join(exits, broker, group="new"), 1)) == [b"old"]


async def test_read_moves_no_group(broker: Broker, exits: AsyncExitStack) -> None:
    await broker.publish(TOPIC, "job-a", numbered("m", 5))
    before = await broker.describe(TOPIC)

    found = await read_all(broker, partition_of("job-a", PARTITIONS))

    assert payloads(found) == numbered("m", 5)
    assert await broker.describe(TOPIC) == before
    assert len(await receive(await join(exits, broker), 5)) == 5


@pytest.mark.parametrize(
    ("offset", "limit", "expected"),
    [
        pytest.param(0, 2, [0, 1], id="limit"),
        pytest.param(3, 1000, [3, 4], id="offset"),
        pytest.param(5, 1000, [], id="at-the-end"),
        pytest.param(99, 1000, [], id="past-the-end"),
        pytest.param(0, 0, [], id="nothing-wanted"),
    ],
)
async def test_read_from_offset(
    broker: Broker, offset: int, limit: int, expected: Sequence[int]
) -> None:
    await broker.publish(TOPIC, "job-a", numbered("m", 5))
    partition = partition_of("job-a", PARTITIONS)

    found = [each.offset async for each in broker.read(TOPIC, partition, offset, limit=limit)]

    assert found == expected


async def test_read_ends_at_the_end_seen_at_its_start(broker: Broker) -> None:
    """Or a tail that is written faster than it is read would never end."""
    await broker.publish(TOPIC, "job-a", numbered("m", 3))
    reading = broker.read(TOPIC, partition_of("job-a", PARTITIONS), 0)
    found = [await anext(reading)]
    await broker.publish(TOPIC, "job-a", numbered("late", 3))
    found += [message async for message in reading]

    assert payloads(found) == numbered("m", 3)


@pytest.mark.parametrize(("topic", "partition"), [("nope", 0), (TOPIC, 99)])
async def test_read_of_nothing_is_empty(broker: Broker, topic: str, partition: int) -> None:
    assert [message async for message in broker.read(topic, partition, 0)] == []


async def test_window_bounds_what_is_read_ahead(broker: Broker, exits: AsyncExitStack) -> None:
    await broker.publish(TOPIC, "job-a", numbered("m", 10))
    subscription = await join(exits, broker, window=3)

    received = await receive(subscription, 3)

    assert await is_quiet(subscription)
    await subscription.settle(received[:2])
    assert payloads(await receive(subscription, 2)) == [b"m-3", b"m-4"]


async def test_slow_message_holds_the_watermark_and_its_place_in_the_window(
    broker: Broker, exits: AsyncExitStack
) -> None:
    await broker.publish(TOPIC, "job-a", numbered("m", 10))
    subscription = await join(exits, broker, window=4)
    slow, *others = await receive(subscription, 4)
    await subscription.settle(others)
    overtaking = await receive(subscription, 3)

    assert await is_quiet(subscription)
    assert await committed(broker, "job-a") in {None, 0}

    await subscription.settle([slow])

    assert await committed(broker, "job-a") == 4
    await subscription.settle(overtaking)
    assert len(await receive(subscription, 3)) == 3


async def test_slow_message_is_overtaken_by_so_many_windows(
    broker: Broker, exits: AsyncExitStack
) -> None:
    """What was settled beyond it would come again, were its member to die."""
    furthest = OVERTAKING * 2
    await broker.publish(TOPIC, "job-a", numbered("m", furthest + 10))
    subscription = await join(exits, broker, window=2)
    slow, *others = await receive(subscription, 2)
    while others[-1].offset < furthest - 1:
        await subscription.settle(others)
        others = list(await subscription.next())
    await subscription.settle(others)

    assert await is_quiet(subscription)
    assert others[-1].offset == furthest - 1

    await subscription.settle([slow])

    assert (await receive(subscription, 2))[0].offset == furthest


async def test_backlog_is_read_without_pausing_at_every_window(
    stack: Stack, broker: Broker
) -> None:
    """However seldom the broker is asked for news: an answer that was full leads to the next."""
    await broker.publish(TOPIC, KEYS[0], [b"%d" % number for number in range(400)])
    reader = await stack.open(poll_interval_ms=WITHIN_S * 100)
    async with reader.subscribe(TOPIC, "workers", window=10) as subscription:
        async with asyncio.timeout(WITHIN_S):
            read = 0
            while read < 400:
                messages = await subscription.next()
                await subscription.settle(messages)
                read += len(messages)


async def test_window_is_per_partition(broker: Broker, exits: AsyncExitStack) -> None:
    for key in KEYS:
        await broker.publish(TOPIC, key, numbered(key, 5))
    subscription = await join(exits, broker, window=2)

    received = await receive(subscription, 2 * PARTITIONS)

    assert {message.partition for message in received} == set(range(PARTITIONS))


async def work(
    subscription: Subscription, done: list[tuple[int, bytes]], wanted: int, member: int
) -> None:
    """Settle message by message until all members together have seen `wanted` payloads."""
    while True:
        messages = await subscription.next()
        try:
            for message in messages:
                done.append((member, message.payload))
                await subscription.settle([message])
        finally:  # cancelled with repeats in hand: nobody else can settle those
            await subscription.settle(messages)
        if len({payload for _, payload in done}) >= wanted:
            return


async def run_members(
    subscriptions: Sequence[Subscription], wanted: int, done: list[tuple[int, bytes]]
) -> None:
    """Let members work until everything was seen by one of them."""
    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(work(subscription, done, wanted, member))
            for member, subscription in enumerate(subscriptions)
        ]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()


async def balanced(
    broker: Broker, subscriptions: Sequence[Subscription], done: list[tuple[int, bytes]]
) -> None:
    """Publish and work in rounds until every member got something in one round."""
    async with asyncio.timeout(WITHIN_S):
        for number in range(1000):
            done.clear()
            await publish_each(broker, 16, f"round{number}")
            await run_members(subscriptions, 16, done)
            if {member for member, _ in done} == set(range(len(subscriptions))):
                return


async def test_two_members_share_partitions(
    stack: Stack, broker: Broker, exits: AsyncExitStack
) -> None:
    """Once the shares have settled, each message goes to one of them."""
    other = await stack.open()
    members = [await join(exits, broker), await join(exits, other)]
    done: list[tuple[int, bytes]] = []
    await balanced(broker, members, done)

    done.clear()
    sent = await publish_each(broker, 80, "shared")
    await run_members(members, 80, done)

    assert sorted(payload for _, payload in done) == sorted(sent)
    assert {member for member, _ in done} == {0, 1}


async def test_leaving_member_hands_its_partitions_over(
    stack: Stack, broker: Broker, exits: AsyncExitStack
) -> None:
    stays = await join(exits, broker)
    async with (await stack.open()).subscribe(TOPIC, "workers", window=10) as leaves:
        await balanced(broker, [stays, leaves], [])
    done: list[tuple[int, bytes]] = []
    await publish_each(broker, 40, "after")

    await run_members([stays], 40, done)

    assert len({payload for _, payload in done}) == 40


async def test_dead_member_hands_its_partitions_over(
    stack: Stack, broker: Broker, exits: AsyncExitStack
) -> None:
    """What it had not settled comes again, to the one who lives on."""
    lives, doomed = await join(exits, broker), await stack.open()
    dies = await join(exits, doomed)
    await balanced(broker, [lives, dies], [])
    sent = await publish_each(broker, 40, "after")
    async with asyncio.timeout(WITHIN_S):
        unsettled = await dies.next()
    assert unsettled
    await stack.kill(doomed)

    done: list[tuple[int, bytes]] = []
    await run_members([lives], 40, done)

    assert {payload for _, payload in done} == set(sent)


async def test_scaling_from_one_to_three_members_during_work(
    stack: Stack, broker: Broker, exits: AsyncExitStack
) -> None:
    sent = await publish_each(broker, 200, "before")
    members = [await join(exits, broker, window=5)]
    done: list[tuple[int, bytes]] = []
    await run_members(members, 20, done)
    members += [await join(exits, await stack.open(), window=5) for _ in range(2)]

    await run_members(members, 200, done)
    assert {payload for _, payload in done} == set(sent)

    await balanced(broker, members, [])


async def test_settle_of_a_lost_partition_is_ignored(
    stack: Stack, broker: Broker, exits: AsyncExitStack
) -> None:
    await broker.publish(TOPIC, "job-a", numbered("m", 3))
    async with broker.subscribe(TOPIC, "workers", window=10) as former:
        lost = await receive(former, 3)
    present = await join(exits, await stack.open())
    assert len(await receive(present, 3)) == 3

    await former.settle(lost)

    assert await committed(broker, "job-a") in {None, 0}


async def test_describe_tells_span_and_commits(broker: Broker, exits: AsyncExitStack) -> None:
    await broker.publish(TOPIC, "job-a", numbered("m", 3))
    subscription = await join(exits, broker)
    await subscription.settle((await receive(subscription, 3))[:1])

    spans = await broker.describe(TOPIC)

    assert [span.partition for span in spans] == list(range(PARTITIONS))
    span = spans[partition_of("job-a", PARTITIONS)]
    assert (span.first, span.next, span.committed) == (0, 3, {"workers": 1})


async def test_describe_of_unknown_topic_is_empty(broker: Broker) -> None:
    assert list(await broker.describe("nope")) == []


async def test_purge_empties_a_topic(stack: Stack, broker: Broker) -> None:
    await broker.ensure([UNREAD])
    await broker.publish(UNREAD.name, "job-a", numbered("m", 3))
    partition = partition_of("job-a", UNREAD.partitions)

    await broker.purge(UNREAD.name)

    assert [message async for message in broker.read(UNREAD.name, partition, 0)] == []
    start = 3 if stack.purge_keeps_offsets else 0
    await broker.publish(UNREAD.name, "job-a", [b"after"])
    (found,) = [message async for message in broker.read(UNREAD.name, partition, 0)]
    assert (found.offset, found.payload) == (start, b"after")
    span = (await broker.describe(UNREAD.name))[partition]
    assert (span.first, span.next) == (start, start + 1)


async def test_purge_of_a_topic_with_groups_keeps_their_offsets(
    stack: Stack, broker: Broker, exits: AsyncExitStack
) -> None:
    """Or is refused: a member would take messages at offsets it has seen for old ones."""
    await broker.publish(TOPIC, "job-a", numbered("m", 3))
    if not stack.purge_keeps_offsets:
        with pytest.raises(FetchBoxError, match="read by workers"):
            await broker.purge(TOPIC)
        assert len(await read_all(broker, partition_of("job-a", PARTITIONS))) == 3
        return

    await broker.purge(TOPIC)

    after = await broker.publish(TOPIC, "job-a", [b"after"])
    assert after.offset == 3
    assert payloads(await receive(await join(exits, broker), 1)) == [b"after"]


async def test_purge_of_unknown_topic_is_harmless(broker: Broker) -> None:
    await broker.purge("nope")


async def test_ensure_is_idempotent(broker: Broker) -> None:
    await broker.publish(TOPIC, "job-a", [b"x"])

    assert list(await broker.ensure([SPEC])) == []

    assert len(await read_all(broker, partition_of("job-a", PARTITIONS))) == 1


async def test_ensure_reports_another_partition_count(broker: Broker) -> None:
    (warning,) = await broker.ensure([TopicSpec(name=TOPIC, partitions=9, retention_ms=1000)])

    assert TOPIC in warning
    assert "9" in warning
    assert len(await broker.describe(TOPIC)) == PARTITIONS
