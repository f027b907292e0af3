"""Connections to one server that are kept open and take one request at a time (HTTP/1.1).

Just what a PUT of a small body needs: the body is at hand, and of the answer status, ETag and text
are read. httptools parses it. Redirects are not followed.
"""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Final, cast

import httptools

#: A connection idle for longer is not trusted: what lies between may have forgotten it silently.
IDLE_S: Final = 20.0
#: An answer's text is read to see why; what is longer explains nothing.
MAX_TEXT_BYTES: Final = 65_536

_FINAL: Final = 200


class ConnectError(Exception):
    """The server could not be reached."""


class BrokenError(Exception):
    """The connection ended, or what came was no HTTP, before there was an answer."""


@dataclass(slots=True)
class Answer:
    """What came back."""

    status: int = 0
    etag: str = ""
    text: bytes = b""


class Connection(asyncio.Protocol):
    """One connection; also what its parser calls back."""

    def __init__(self) -> None:
        """Wait to be connected."""
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer()
        self._waiting: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None
        self._is_kept = False
        self._idle_since = 0.0

    async def send(self, head: bytes, body: bytes) -> Answer:
        """Send a request and wait for the answer; raises BrokenError."""
        if self._transport is None or self._transport.is_closing():
            raise BrokenError
        self._is_kept = False
        self._answer = Answer()
        self._waiting = self._loop.create_future()
        self._transport.writelines((head, body))
        return await self._waiting

    @property
    def is_fresh(self) -> bool:
        """Whether it may serve another request."""
        is_open = self._transport is not None and not self._transport.is_closing()
        return is_open and self._is_kept and self._loop.time() - self._idle_since < IDLE_S

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is connected."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no such base

    def data_received(self, data: bytes) -> None:
        """Parse; what nobody asked for ends the connection."""
        if self._waiting is None:
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._settle(BrokenError())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # of the protocol
        """The end of an answer without a length; before its head, a fault."""
        self._settle(self._answer if self._answer.status else BrokenError())

    def on_message_begin(self) -> None:
        """An answer to nothing ends the connection."""
        if self._waiting is None:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what is wanted."""
        if name.lower() == b"etag":
            self._answer.etag = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The status is known. A status of 1xx announces another answer."""
        status = self._parser.get_status_code()
        self._answer.status = status if status >= _FINAL else 0

    def on_body(self, body: bytes) -> None:
        """Gather the text."""
        if len(self._answer.text) < MAX_TEXT_BYTES:
            self._answer.text += body

    def on_message_complete(self) -> None:
        """Hand the answer over. A body that was not wanted whole must not be continued."""
        if self._answer.status and self._transport is not None:
            is_sent = self._transport.get_write_buffer_size() == 0
            self._is_kept = is_sent and self._parser.should_keep_alive()
            self._idle_since = self._loop.time()
            answer, self._answer = self._answer, Answer()
            self._settle(answer)

    def _settle(self, result: Answer | BrokenError) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.done():
            return
        if isinstance(result, Answer):
            waiting.set_result(result)
        else:
            waiting.set_exception(result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where to connect; `tls` None means without. Times in seconds."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    connect_timeout_s: float


class Connections:
    """As many connections as requests at once; the idle ones are used again."""

    def __init__(self, server: Server) -> None:
        """Connect to nothing yet."""
        self._server = server
        self._idle: list[Connection] = []

    async def send(self, head: bytes, body: bytes) -> Answer:
        """Send a request that may be repeated; raises ConnectError and BrokenError.

        The server may end an idle connection in the moment it is used, so then it is repeated.
        """
        if (idle := self._take()) is not None:
            try:
                return await self._ask(idle, head, body)
            except BrokenError:
                pass
        return await self._ask(await self._connect(), head, body)

    def close(self) -> None:
        """End the idle ones."""
        while self._idle:
            self._idle.pop().abort()

    def _take(self) -> Connection | None:
        """Return the idle connection used last; end those that are of no use any more."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh:
                return connection
            connection.abort()
        return None

    async def _ask(self, connection: Connection, head: bytes, body: bytes) -> Answer:
        is_kept = False
        try:
            answer = await connection.send(head, body)
            is_kept = connection.is_fresh
        finally:
            if is_kept:
                self._idle.append(connection)
            else:
                connection.abort()
        return answer

    async def _connect(self) -> Connection:
        server = self._server
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(server.connect_timeout_s):
                _, connection = await loop.create_connection(
                    Connection, server.host, server.port, ssl=server.tls
                )
        except OSError as error:  # a TimeoutError and an SSLError are of this kind too
            raise ConnectError from error
        return connection
