"""Forward proxies: plain requests and CONNECT, with or without Basic auth, or refusing by rule."""

import asyncio
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from mocks.http1 import Request, answer_of, head_of, read_request
from mocks.journal import Entry, Journal
from mocks.listener import reset

_OWN: Final = frozenset({"proxy-authorization", "proxy-connection", "connection", "keep-alive"})
_PIECE: Final = 65_536


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a proxy refuses; 0 = nothing of the kind, -1 = it never answers.

    Attributes:
        credentials: `user:password` it demands, empty = open to all.

    """

    credentials: str = ""
    refuse: int = 0
    refuse_connect: int = 0


@dataclass(kw_only=True)
class Counts:
    """What went through one proxy since its start."""

    requests: int = 0
    connects: int = 0
    refused: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


class Proxy:
    """Serves connections of one listener; each carries one request or one tunnel."""

    def __init__(self, name: str, journal: Journal, rules: Rules) -> None:
        self._name = name
        self._journal = journal
        self._rules = rules
        self.counts = Counts()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the one request of a connection."""
        request = await read_request(reader)
        if request is None:
            return
        is_connect = request.method == "CONNECT"
        self.counts.connects += is_connect
        self.counts.requests += not is_connect
        with self._journal.recording(self._name, request) as entry:
            entry.user = _credentials(request).partition(":")[0]
            refusal = self._refusal(request)
            if refusal == 0:
                await self._forward(request, entry, reader, writer)
                return
            self.counts.refused += 1
            if refusal < 0:
                await reader.read()
                return
            entry.status = refusal
            headers = [("Proxy-Authenticate", 'Basic realm="peers"')] if refusal == 407 else []  # noqa: PLR2004  # HTTP
            writer.write(
                answer_of(refusal, b"refused by the proxy\n", [*headers, ("Connection", "close")])
            )
            await writer.drain()

    def _refusal(self, request: Request) -> int:
        rules = self._rules
        if rules.credentials and _credentials(request) != rules.credentials:
            return 407
        return rules.refuse or (rules.refuse_connect if request.method == "CONNECT" else 0)

    async def _forward(
        self,
        request: Request,
        entry: Entry,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        try:
            async with self._upstream(request) as (answers, target):
                if request.method == "CONNECT":
                    entry.status = 200
                    writer.write(head_of(200))
                else:
                    target.write(_origin_form(request))
                await self._exchange(entry, (reader, writer), (answers, target))
        except ConnectionResetError:
            entry.ended = "aborted"
            reset(writer)
        except (OSError, ValueError) as error:
            entry.status = 502
            writer.write(answer_of(502, f"{error}\n".encode(), [("Connection", "close")]))

    @asynccontextmanager
    async def _upstream(
        self, request: Request
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        place = f"//{request.target}" if request.method == "CONNECT" else request.target
        parts = urlsplit(place)
        if not parts.hostname:
            msg = f"no host in {request.target!r}"
            raise ValueError(msg)
        answers, target = await asyncio.open_connection(parts.hostname, parts.port or 80)
        port = target.get_extra_info("sockname")[1]
        self._journal.tunnels[port] = self._name
        try:
            yield answers, target
        finally:
            del self._journal.tunnels[port]
            target.close()

    async def _exchange(
        self,
        entry: Entry,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        origin: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Pass bytes both ways until the origin has closed; a client that closes ends both."""
        try:
            async with asyncio.TaskGroup() as tasks:
                upward = tasks.create_task(self._pump_up(entry, client[0], origin[1]))
                await self._pump_down(entry, origin[0], client[1])
                upward.cancel()
        except* OSError as broken:
            msg = "one side broke off"
            raise ConnectionResetError(msg) from broken

    async def _pump_down(
        self, entry: Entry, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        while data := await source.read(_PIECE):
            entry.sent += len(data)
            self.counts.bytes_down += len(data)
            entry.status = entry.status or _status_of(data)
            sink.write(data)
            await sink.drain()

    async def _pump_up(
        self, entry: Entry, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        while data := await source.read(_PIECE):
            entry.received += len(data)
            self.counts.bytes_up += len(data)
            sink.write(data)
            await sink.drain()
        sink.transport.abort()


def _credentials(request: Request) -> str:
    scheme, _, packed = request.header("proxy-authorization").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(packed).decode()
    except (Base64Error, UnicodeDecodeError):
        return ""


def _origin_form(request: Request) -> bytes:
    parts = urlsplit(request.target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [pair for pair in request.headers if pair[0].lower() not in _OWN]
    lines = [f"{request.method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in kept)]
    return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode(
        "latin-1"
    ) + request.body


def _status_of(data: bytes) -> int:
    word = data[9:12]
    return int(word) if word.isdigit() else 0
