"""A TCP relay that can be cut: the way to take a broker or a store away for some seconds."""

import asyncio
from contextlib import suppress
from typing import Self

from mocks.listener import Listener

_PIECE = 65_536


class Relay:
    """Passes bytes between its port and a target; while cut, the port refuses connections."""

    def __init__(self, host: str, port: int, target: tuple[str, int]) -> None:
        self.target = target
        self.listener = Listener(host, port, self._serve)
        self._cuts = 0
        self._tasks = asyncio.TaskGroup()
        self._healing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        await self.listener.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop_healing()
        await self.listener.__aexit__()
        await self._tasks.__aexit__(None, None, None)

    def state(self) -> dict[str, object]:
        """Show the relay as JSON can."""
        return {
            "port": self.listener.port,
            "target": f"{self.target[0]}:{self.target[1]}",
            "open": self.listener.is_open,
            "connections": self.listener.connections,
            "cuts": self._cuts,
        }

    def cut(self, ms: int) -> None:
        """Drop every connection, refuse new ones, and heal after `ms` (0 = only by `heal`)."""
        self._cuts += 1
        self._stop_healing()
        self.listener.shut()
        if ms:
            self._healing = self._tasks.create_task(self._heal_later(ms / 1000))

    async def heal(self) -> None:
        """Accept again."""
        self._stop_healing()
        await self.listener.open()

    def _stop_healing(self) -> None:
        if self._healing is not None:
            self._healing.cancel()
            self._healing = None

    async def _heal_later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._healing = None  # half an opening, cancelled, would leave its port listening
        await self.listener.open()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, target = await asyncio.open_connection(*self.target)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pump(reader, target))
                tasks.create_task(_pump(answers, writer))
        except* OSError:
            writer.transport.abort()
        finally:
            target.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_PIECE):
        sink.write(data)
        await sink.drain()
    with suppress(OSError):
        if sink.can_write_eof():
            sink.write_eof()
