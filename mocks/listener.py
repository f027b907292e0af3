"""A TCP listener that knows its connections, so that it can drop them; ways to end a connection."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """One port. `serve` is called for each connection and closed over when it returns."""

    def __init__(self, host: str, port: int, serve: Serve, tls: ssl.SSLContext | None = None):
        """Port 0 = a free one, kept from the first `open` on."""
        self.host = host
        self.port = port
        self._serve = serve
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._opening = asyncio.Lock()
        self._shuts = 0
        self._live: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def is_open(self) -> bool:
        return self._server is not None

    @property
    def connections(self) -> int:
        return len(self._live)

    async def open(self) -> None:
        """Begin to accept, unless it does already, or is shut meanwhile."""
        async with self._opening:
            if self._server is not None:
                return
            shuts = self._shuts
            server = await asyncio.start_server(
                self._accept, self.host, self.port, ssl=self._tls, backlog=1024
            )
            self.port = server.sockets[0].getsockname()[1]
            if shuts == self._shuts:
                self._server = server
            else:
                server.close()

    def shut(self) -> None:
        """Refuse new connections and reset the live ones."""
        self._shuts += 1
        if self._server is not None:
            self._server.close()
            self._server = None
        for task, writer in self._live.items():
            reset(writer)
            task.cancel()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.shut()
        await asyncio.gather(*self._live, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # for mypy: asyncio runs this in a task
        self._live[task] = writer
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            del self._live[task]
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a TCP reset."""
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
