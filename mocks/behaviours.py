"""What the origin can do with one request: one function per behaviour, by its name in the path.

A behaviour returns whether the connection may serve another request.
"""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from mocks.bodies import blocks_of, body_of
from mocks.http1 import Request, answer_of, head_of
from mocks.journal import Entry, Journal
from mocks.listener import reset

#: Size of a body nobody asked a size for.
SMALL: Final = 64
_TEXT: Final = ("Content-Type", "text/plain")


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request at the origin: `/c/<case>/<behaviour>/<arg>/...`."""

    request: Request
    args: tuple[str, ...]
    entry: Entry
    journal: Journal
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def number(self, place: int, default: int) -> int:
        return int(self.args[place]) if len(self.args) > place else default

    def option(self, name: str, default: int = 0) -> int:
        return int(self.request.query.get(name, default))

    @property
    def seed(self) -> str:
        return self.request.query.get("seed", self.request.case)

    def _announced(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        closing = [("Connection", "close")] if self.request.wants_close else []
        return [*headers, *closing]

    async def start(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Send the head of the answer."""
        self.entry.status = status
        self.writer.write(head_of(status, self._announced(headers)))
        await self.writer.drain()

    async def send(self, data: bytes) -> None:
        """Send bytes of the body."""
        self.writer.write(data)
        self.entry.sent += len(data)
        await self.writer.drain()
        await asyncio.sleep(0)  # drain alone gives no other visit a turn while the client keeps up

    async def pour(self, size: int) -> None:
        """Send the first `size` bytes of the body, never holding more than a block of it."""
        for block in blocks_of(self.seed, size):
            await self.send(block)

    async def answer(
        self, status: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()
    ) -> bool:
        """Send a whole answer."""
        self.entry.status = status
        self.writer.write(answer_of(status, body, self._announced(headers)))
        self.entry.sent += len(body)
        await self.writer.drain()
        return True

    async def until_gone(self) -> bool:
        """Say nothing more until the client closes."""
        await self.reader.read()
        return self.broken_off()

    def broken_off(self) -> bool:
        """Note that the answer stays unfinished."""
        self.entry.ended = "aborted"
        return False


Behaviour = Callable[[Visit], Awaitable[bool]]


async def sized(visit: Visit) -> bool:
    """`bytes/<n>?type=&gzip=1&chunked=1&status=&seed=`: a body of exactly that size."""
    size = visit.number(0, SMALL)
    query = visit.request.query
    headers = [("Content-Type", query.get("type", "application/octet-stream"))]
    blocks: Iterable[bytes] = blocks_of(visit.seed, size)
    if visit.option("gzip"):
        packed = gzip.compress(body_of(visit.seed, size), mtime=0)
        size, blocks = len(packed), [packed]
        headers.append(("Content-Encoding", "gzip"))
    status = visit.option("status", 200)
    if visit.option("chunked"):
        await visit.start(status, [*headers, ("Transfer-Encoding", "chunked")])
        for block in blocks:
            visit.writer.write(b"%x\r\n" % len(block))
            await visit.send(block)
            visit.writer.write(b"\r\n")
        visit.writer.write(b"0\r\n\r\n")
        await visit.writer.drain()
        return True
    await visit.start(status, [*headers, ("Content-Length", str(size))])
    for block in blocks:
        await visit.send(block)
    return True


async def until_end(visit: Visit) -> bool:
    """`eof/<n>`: a body without a length, ended by closing."""
    await visit.start(200, [_TEXT, ("Connection", "close")])
    await visit.pour(visit.number(0, SMALL))
    return False


async def statuses(visit: Visit) -> bool:
    """`status/500,503,200?retry-after=1&size=`: the k-th request gets the k-th; the last stays."""
    wanted = [int(word) for word in visit.args[0].split(",")]
    turn = visit.journal.next_turn(visit.request)
    status = wanted[min(turn, len(wanted) - 1)]
    headers = [_TEXT]
    wait = visit.request.query.get("retry-after")
    if wait is not None and status // 100 != 2:  # noqa: PLR2004  # 2xx
        headers.append(("Retry-After", wait))
    return await visit.answer(status, body_of(visit.seed, visit.option("size", SMALL)), headers)


async def reset_connection(visit: Visit) -> bool:
    """`reset?after=N`: a TCP reset, before any answer or after N bytes of a longer body."""
    if "after" in visit.request.query:
        after = visit.option("after")
        await visit.start(200, [_TEXT, ("Content-Length", str(after + 1000))])
        await visit.pour(after)
        await asyncio.sleep(0.05)  # let the bytes arrive: a reset discards what is on its way
    reset(visit.writer)
    return visit.broken_off()


async def empty(visit: Visit) -> bool:
    """`empty`: close without a byte."""
    return visit.broken_off()


async def garbage(visit: Visit) -> bool:
    """`garbage`: close after something that is no HTTP."""
    visit.writer.write(b"\x00\x01 this is not the protocol you are looking for\r\n\r\n")
    return visit.broken_off()


async def malformed_chunk(visit: Visit) -> bool:
    """`malformed-chunk?close=1`: a good chunk, later one without a size; then silence or close."""
    await visit.start(200, [_TEXT, ("Transfer-Encoding", "chunked")])
    good = body_of(visit.seed, SMALL)
    await visit.send(b"%x\r\n%s\r\n" % (len(good), good))
    await asyncio.sleep(0.05)  # the fault must arrive after the headers, in a packet of its own
    await visit.send(b"no-size-at-all\r\nlost\r\n")
    return visit.broken_off() if visit.option("close") else await visit.until_gone()


async def short(visit: Visit) -> bool:
    """`short/<announced>/<sent>`: fewer bytes than Content-Length says."""
    announced, sent = visit.number(0, 1000), visit.number(1, 10)
    await visit.start(200, [_TEXT, ("Content-Length", str(announced))])
    await visit.pour(sent)
    return visit.broken_off()


async def drip(visit: Visit) -> bool:
    """`drip/<n>?chunk=1&every=100`: `chunk` bytes each `every` ms."""
    body = body_of(visit.seed, visit.number(0, SMALL))
    await visit.start(200, [_TEXT, ("Content-Length", str(len(body)))])
    step = visit.option("chunk", 1)
    for start in range(0, len(body), step):
        if start:
            await asyncio.sleep(visit.option("every", 100) / 1000)
        await visit.send(body[start : start + step])
    return True


async def hang(visit: Visit) -> bool:
    """`hang?after=N`: never answer, or stop after the headers and N bytes of a longer body."""
    if "after" in visit.request.query:
        after = visit.option("after")
        await visit.start(200, [_TEXT, ("Content-Length", str(after + 1000))])
        await visit.pour(after)
    return await visit.until_gone()


async def hold(visit: Visit) -> bool:
    """`hold/<n>`: answer as `bytes` does, once control gets POST /release?case=."""
    await visit.journal.gate(visit.request.case).wait()
    return await sized(visit)


async def redirect(visit: Visit) -> bool:
    """`redirect/<n>`: n hops (status by ?status=), then a small body."""
    left = visit.number(0, 1)
    if left <= 0:
        return await visit.answer(200, body_of(visit.seed, SMALL), [_TEXT])
    query = visit.request.target.partition("?")[2]
    place = f"/c/{visit.request.case}/redirect/{left - 1}{'?' if query else ''}{query}"
    return await visit.answer(visit.option("status", 302), b"", [("Location", place)])


async def redirect_loop(visit: Visit) -> bool:
    """`redirect-loop`: to itself, for ever."""
    return await visit.answer(302, b"", [("Location", visit.request.target)])


async def redirect_to(visit: Visit) -> bool:
    """`redirect-to?url=...&status=302`: anywhere; without `url` there is no Location."""
    place = visit.request.query.get("url")
    headers = [] if place is None else [("Location", place)]
    return await visit.answer(visit.option("status", 302), b"", headers)


async def echo(visit: Visit) -> bool:
    """`echo`: the request as JSON: method, target, headers as a list of pairs."""
    request = visit.request
    seen = {"method": request.method, "target": request.target, "headers": request.headers}
    body = json.dumps(seen).encode()
    return await visit.answer(200, body, [("Content-Type", "application/json")])


BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    "bytes": sized,
    "eof": until_end,
    "status": statuses,
    "reset": reset_connection,
    "empty": empty,
    "garbage": garbage,
    "malformed-chunk": malformed_chunk,
    "short": short,
    "drip": drip,
    "hang": hang,
    "hold": hold,
    "redirect": redirect,
    "redirect-loop": redirect_loop,
    "redirect-to": redirect_to,
    "echo": echo,
}
