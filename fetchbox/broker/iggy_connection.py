"""A connection to Iggy that can be closed, which the SDK's cannot.

Measured on SDK 0.8.0: dropping every reference to a client leaves its connection open, and with it
the membership of its consumer group, until the process ends. So a client talks to its server
through a relay on loopback that we own: closing the relay closes the connection.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from apache_iggy import IggyClient

from fetchbox.broker.port import BrokerUnavailableError


@dataclass(frozen=True, slots=True, kw_only=True)
class IggyOptions:
    """Where the server is and how long it may take. `endpoint` is host:port, no scheme."""

    endpoint: str
    username: str
    password: str = field(repr=False)
    stream: str = "fetchbox"
    poll_interval_ms: int = 100
    call_timeout_ms: int = 2000

    def __post_init__(self) -> None:
        """Refuse what the SDK's connection string cannot carry."""
        for name in ("username", "password"):
            if set(getattr(self, name)) & set("@:/?&="):
                msg = f"iggy {name} must not contain any of @ : / ? & =; choose another"
                raise ValueError(msg)


class IggyConnection:
    """One client and the relay it speaks through."""

    def __init__(self, options: IggyOptions) -> None:
        """Open nothing yet."""
        self._options = options
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        #: Set when either end hung up, or `close` was called.
        self.ended = asyncio.Event()

    async def open(self) -> IggyClient:
        """Connect and sign in within the deadline; raises BrokerUnavailableError."""
        try:
            async with asyncio.timeout(self._options.call_timeout_ms / 1000):
                self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
                port = self._server.sockets[0].getsockname()[1]
                client = IggyClient.from_connection_string(self._connection_string(port))
                await client.connect()
        except BaseException as error:
            self.close()
            if not isinstance(error, RuntimeError | TimeoutError | OSError):
                raise
            msg = f"iggy: no connection to {self._options.endpoint}: {str(error) or 'no answer'}"
            raise BrokerUnavailableError(msg) from error
        return client

    def close(self) -> None:
        """Hang up; the server forgets the client and its memberships."""
        self.ended.set()
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.close()

    def _connection_string(self, port: int) -> str:
        """Keep the SDK from reconnecting by itself: a broken connection is replaced, not mended."""
        options = self._options
        return (
            f"iggy://{options.username}:{options.password}@127.0.0.1:{port}"
            "?reconnection_retries=1&reconnection_interval=100ms&reestablish_after=0s"
            "&heartbeat_interval=1h&nodelay=true"
        )

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, and let no second one in.

        The SDK signs in while it connects, and connects again when that fails: where every try is
        accepted and hung up on, it recurses until the process dies of it.
        """
        if self._server is not None:
            self._server.close()
        host, _, port = self._options.endpoint.rpartition(":")
        async with self._kept(writer):
            # Cancelled only at the end of the loop, which would call that an error in its log.
            with suppress(OSError, asyncio.CancelledError):
                there_reader, there_writer = await asyncio.open_connection(host, int(port))
                async with self._kept(there_writer), asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._pipe(reader, there_writer))
                    tasks.create_task(self._pipe(there_reader, writer))

    @asynccontextmanager
    async def _kept(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        self._writers.add(writer)
        try:
            yield
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            # uvloop calls a write to a closed connection a RuntimeError.
            while (chunk := await reader.read(262_144)) and not writer.is_closing():
                writer.write(chunk)
                await writer.drain()
        self.close()
