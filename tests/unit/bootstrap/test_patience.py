"""Waiting for what is away."""

import asyncio
import logging

import pytest

from fetchbox.bootstrap.patience import pause, persist, wait_for_topic
from fetchbox.broker import streams
from fetchbox.broker.port import BrokerUnavailableError, TopicSpec
from tests.fakes.broker import FakeBroker

AWAY = BrokerUnavailableError("broker is away")


async def test_pause_ends_with_the_service() -> None:
    stop = asyncio.Event()
    async with asyncio.timeout(1), asyncio.TaskGroup() as group:
        group.create_task(pause(stop, 3600))
        stop.set()


async def test_attempt_is_repeated_until_it_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    failures = [AWAY, AWAY]
    tries = 0

    async def attempt() -> None:
        nonlocal tries
        tries += 1
        if failures:
            raise failures.pop()

    await persist("reach the broker", attempt, asyncio.Event())
    assert tries == 3
    levels = [record.levelname for record in caplog.records]
    assert levels == ["INFO", "WARNING"]
    assert "broker is away" in caplog.records[0].__dict__["reason"]


async def test_attempts_end_with_the_service() -> None:
    stop = asyncio.Event()

    async def attempt() -> None:
        stop.set()
        raise AWAY

    async with asyncio.timeout(1):
        await persist("reach the broker", attempt, stop)


async def test_what_is_no_failure_of_a_room_is_not_swallowed() -> None:
    async def attempt() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await persist("divide", attempt, asyncio.Event())


async def test_topic_is_waited_for_through_an_outage() -> None:
    broker, stop = FakeBroker(), asyncio.Event()
    broker.fail_next(AWAY)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = group.create_task(wait_for_topic(broker, streams.TASKS, stop))
        await asyncio.sleep(0)
        assert not waiting.done()
        await broker.ensure([TopicSpec(name=streams.TASKS, partitions=1, retention_ms=1)])


async def test_existing_topic_is_found_at_once() -> None:
    broker = FakeBroker()
    await broker.ensure([TopicSpec(name=streams.TASKS, partitions=1, retention_ms=1)])
    await asyncio.wait_for(wait_for_topic(broker, streams.TASKS, asyncio.Event()), 0.05)
