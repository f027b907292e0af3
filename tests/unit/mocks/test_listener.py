"""A listener that is opened and shut in one breath."""

import asyncio

import pytest

from mocks.listener import Listener


async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_listener_that_is_shut_while_it_opens_stays_shut() -> None:
    listener = Listener("127.0.0.1", 0, hang_up)
    opening = asyncio.create_task(listener.open())
    await asyncio.sleep(0)
    assert not opening.done()
    listener.shut()
    await opening

    assert not listener.is_open
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", listener.port)


async def test_listener_opened_twice_at_once_is_open_once() -> None:
    async with Listener("127.0.0.1", 0, hang_up) as listener:
        listener.shut()
        await asyncio.gather(listener.open(), listener.open())

        assert listener.is_open
