"""Resolving names: who shares an answer, and for how long."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event

import pytest

from fetchbox.fetch.errors import InvalidHostError, UnknownNameError
from fetchbox.fetch.names import Address, Names


def address(host: str, port: int) -> Address:
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port))


class Zone:
    """Answers with a new address each time, when it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = Event()
        self.may_answer.set()
        self.error: Exception | None = None

    def look_up(self, host: str, port: int) -> list[Address]:  # noqa: ARG002  # of the port
        self.may_answer.wait(10)
        self.asked += 1
        if self.error is not None:
            raise self.error
        return [address(f"192.0.2.{self.asked}", port)]


@asynccontextmanager
async def resolving(
    look_up: Callable[[str, int], list[Address]], keep_s: float = 10
) -> AsyncIterator[Names]:
    names = Names(look_up, keep_s=keep_s)
    try:
        yield names
    finally:
        names.close()


async def test_an_answer_serves_until_it_is_old() -> None:
    zone = Zone()
    async with resolving(zone.look_up) as names:
        first = await names.resolve("a.test", 80)
        assert await names.resolve("a.test", 80) == first == [address("192.0.2.1", 80)]
        assert await names.resolve("b.test", 80) == [address("192.0.2.2", 80)]
    async with resolving(zone.look_up, keep_s=0) as names:
        assert await names.resolve("a.test", 80) != await names.resolve("a.test", 80)


async def test_who_asks_at_once_shares_the_answer_though_the_first_gives_up() -> None:
    zone = Zone()
    zone.may_answer.clear()
    async with resolving(zone.look_up) as names, asyncio.TaskGroup() as tasks:
        first, second = (tasks.create_task(names.resolve("a.test", 80)) for _ in range(2))
        tasks.create_task(asyncio.sleep(0)).add_done_callback(lambda _: first.cancel())
        with pytest.raises(asyncio.CancelledError):
            await first
        zone.may_answer.set()
        assert await second == [address("192.0.2.1", 80)]
    assert zone.asked == 1


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), UnknownNameError),
        (UnicodeError("label too long"), InvalidHostError),
    ],
)
async def test_a_failure_does_not_serve_again(raised: Exception, expected: type[Exception]) -> None:
    zone = Zone()
    zone.error = raised
    async with resolving(zone.look_up) as names:
        with pytest.raises(expected):
            await names.resolve("a.test", 80)
        zone.error = None
        assert await names.resolve("a.test", 80) == [address("192.0.2.2", 80)]


async def test_an_address_is_no_question() -> None:
    zone = Zone()
    async with resolving(zone.look_up) as names:
        assert (await names.resolve("127.0.0.1", 80))[0][4] == ("127.0.0.1", 80)
        assert (await names.resolve("::1", 80))[0][4][:2] == ("::1", 80)
    assert zone.asked == 0
