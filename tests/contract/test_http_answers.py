"""Answers byte by byte: how a body ends, what is no HTTP, and what becomes of the connection."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import urlsplit

import pytest

from fetchbox.fetch.connection import READ_AHEAD_BYTES
from fetchbox.fetch.http import HttpFetcher, HttpOptions
from fetchbox.fetch.names import Address, Names
from fetchbox.fetch.port import FetchError, FetchRequest, FetchResponse, Side
from fetchbox.model.failure import FailureCode
from mocks.journal import Journal
from mocks.listener import Listener, reset
from mocks.proxy import Proxy, Rules
from mocks.tls import make_identity
from tests.contract.fetchers import BOTH_LOOPS, OPTIONS, closed_port, passes

LOOPS: Final = BOTH_LOOPS
NETWORK: Final = FailureCode.DOWNLOAD_NETWORK_ERROR
INCOMPLETE: Final = FailureCode.DOWNLOAD_INCOMPLETE_BODY
TIMEOUT: Final = FailureCode.DOWNLOAD_TIMEOUT
OK: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n"
KEPT: Final = OK + b"Content-Length: 2\r\n\r\nok"
MIB: Final = 1024 * 1024


class Script:
    """An origin that gives each request of a connection the next answer, in the pieces given.

    After the last one it sends its end if it `ends`, and waits for the client to close.
    """

    def __init__(self, *answers: bytes | Sequence[bytes], ends: bool = False) -> None:
        self.url = ""
        self.requests: list[bytes] = []
        self.connections = 0
        self.is_asked = asyncio.Event()
        self._answers = answers
        self._ends = ends
        self._open = 0
        self._changed = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            for answer in self._answers:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                self.is_asked.set()
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)  # let the piece go out alone
            if self._ends:
                writer.write_eof()
            await reader.read()
        writer.close()
        async with self._changed:
            self._open -= 1
            self._changed.notify_all()

    async def until_closed(self) -> None:
        """Wait until no connection is open."""
        async with asyncio.timeout(3), self._changed:  # before it would be closed for being idle
            await self._changed.wait_for(lambda: self._open == 0)


@asynccontextmanager
async def served(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Script]:
    async with Listener("127.0.0.1", 0, script.serve, tls) as listener:
        script.url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.port}/"
        yield script


@pytest.fixture
async def fetcher() -> AsyncIterator[HttpFetcher]:
    async with HttpFetcher(OPTIONS) as opened:
        yield opened


async def whole(response: FetchResponse) -> bytes:
    return b"".join([chunk async for chunk in response.chunks()])


async def get(fetcher: HttpFetcher, url: str) -> bytes:
    """Read as the worker does: whole where the length is known."""
    async with fetcher.fetch(FetchRequest(url=url)) as response:
        if response.content_length is None:
            return await whole(response)
        return await response.read()


async def error_of(fetcher: HttpFetcher, url: str) -> FetchError:
    async with asyncio.timeout(5):
        with pytest.raises(FetchError) as caught:
            await get(fetcher, url)
    assert caught.value.side is Side.ORIGIN
    return caught.value


# How an answer ends


ANSWERS: Final = {
    "length": (KEPT, b"ok"),
    "empty": (OK + b"Content-Length: 0\r\n\r\n", b""),
    "chunks": (CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
    "extensions": (CHUNKED + b'3;a=b;c="d"\r\nabc\r\n0;x\r\n\r\n', b"abc"),
    "trailers": (CHUNKED + b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n", b"abc"),
    "spaces after the size": (CHUNKED + b"3  \r\nabc\r\n0\r\n\r\n", b"abc"),
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + KEPT, b"ok"),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + KEPT, b"ok"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", b""),
    "error with a body": (b"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone", b"none"),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", b"ok"),
    "folded header": (OK + b"X-A: one\r\n two\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    "binary header": (OK + b"X-A: \xfc\xff\r\nContent-Length: 2\r\n\r\nok", b"ok"),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_answer_is_read_to_its_end_and_the_connection_kept(
    fetcher: HttpFetcher, name: str
) -> None:
    answer, body = ANSWERS[name]
    async with served(Script(answer, KEPT)) as script:
        assert await get(fetcher, script.url) == body
        assert await get(fetcher, script.url) == b"ok"
    assert script.connections == 1


@pytest.mark.parametrize("seed", range(4))
async def test_answer_may_be_split_anywhere(fetcher: HttpFetcher, seed: int) -> None:
    random = Random(seed)  # noqa: S311  # not secrecy
    for answer, body in ANSWERS.values():
        cuts = sorted(random.sample(range(1, len(answer)), 5))
        pieces = [answer[start:end] for start, end in pairwise([0, *cuts, len(answer)])]
        async with served(Script(pieces, KEPT)) as script:
            assert await get(fetcher, script.url) == body
            assert await get(fetcher, script.url) == b"ok"
        assert script.connections == 1


async def test_answer_may_come_byte_by_byte(fetcher: HttpFetcher) -> None:
    for answer, body in ANSWERS.values():
        async with served(Script([bytes([each]) for each in answer])) as script:
            assert await get(fetcher, script.url) == body


async def test_headers_of_an_announcement_and_of_a_trailer_are_not_the_answers(
    fetcher: HttpFetcher,
) -> None:
    answer = b"HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\n" + CHUNKED + b"0\r\nX-A: 2\r\n\r\n"
    async with (
        served(Script(answer)) as script,
        fetcher.fetch(FetchRequest(url=script.url)) as response,
    ):
        assert await whole(response) == b""
        assert response.header("x-a") == ""


@pytest.mark.parametrize(
    "head",
    [
        OK + b"\r\n",
        OK + b"Connection: close\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\n",
    ],
)
async def test_answer_without_a_length_ends_with_its_connection(
    fetcher: HttpFetcher, head: bytes
) -> None:
    async with served(Script([head, b"one", b"two"], ends=True)) as script:
        assert await get(fetcher, script.url) == b"onetwo"


async def test_answer_without_a_length_that_is_reset_is_not_whole(fetcher: HttpFetcher) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"\r\nsome")
        await writer.drain()
        await is_read.wait()
        reset(writer)

    is_read = asyncio.Event()
    async with Listener("127.0.0.1", 0, serve) as listener:
        request = FetchRequest(url=f"http://127.0.0.1:{listener.port}/")
        async with fetcher.fetch(request) as response:
            chunks = response.chunks()
            assert await anext(chunks) == b"some"
            is_read.set()
            with pytest.raises(FetchError) as caught:
                await anext(chunks)

    assert caught.value.failure.code == INCOMPLETE


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 9\r\n\r\nsome",
        CHUNKED,
        CHUNKED + b"4\r\nso",
        CHUNKED + b"4\r\nsome\r\n",
        CHUNKED + b"4\r\nsome\r\n0\r\n",
        OK + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
        OK + b"Connection: close\r\nTransfer-Encoding: Chunked\r\n\r\n4\r\nsome\r\n",
    ],
)
async def test_body_that_ends_early_is_incomplete(fetcher: HttpFetcher, answer: bytes) -> None:
    async with served(Script(answer, ends=True)) as script:
        assert (await error_of(fetcher, script.url)).failure.code == INCOMPLETE


@pytest.mark.parametrize(
    "body",
    [
        b"xyz\r\n",
        b"4\r\nsomeXX",
        b"-1\r\n",
        b"ffffffffffffffffff\r\n",
        [b"4\r\nsome\r\n0\r\nX-Endless: ", *[b"x" * 16_384] * 5],
        [b"4;", *[b"x" * 16_384] * 5],
    ],
    ids=["no size", "no end", "negative", "huge", "endless trailer", "endless extension"],
)
async def test_malformed_chunk_ends_the_body_at_once(
    fetcher: HttpFetcher, body: bytes | list[bytes]
) -> None:
    """Not by the read timeout: the origin keeps the connection open."""
    pieces = [CHUNKED, *([body] if isinstance(body, bytes) else body)]
    async with served(Script(pieces)) as script:
        error = await error_of(fetcher, script.url)
        await script.until_closed()

    assert error.failure.code == INCOMPLETE


@pytest.mark.parametrize(
    "answer",
    [
        b"220 mail.test ESMTP\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 99 No\r\n\r\n",
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b": no name\r\n\r\n",
        [OK, *[b"X-A: " + b"a" * 16_000 + b"\r\n"] * 5],
        [OK + b"X-A: ", *[b"a" * 16_384] * 5],
        [b"HTTP/1.1 100 Continue\r\n\r\n" * 700] * 5,
        [b"HTTP/1.1 200 ", *[b"a" * 16_384] * 5],
    ],
    ids=lambda value: (b"".join(value) if isinstance(value, list) else value)[:40].decode(),
)
async def test_what_is_no_http_ends_the_attempt_at_once(
    fetcher: HttpFetcher, answer: bytes | list[bytes]
) -> None:
    async with served(Script(answer)) as script:
        error = await error_of(fetcher, script.url)
        await script.until_closed()

    assert error.failure.code == NETWORK
    assert "no valid HTTP" in error.failure.message


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 O", OK + b"Content-Le"])
async def test_connection_that_ends_before_the_head_is_unanswered(
    fetcher: HttpFetcher, part: bytes
) -> None:
    async with served(Script(part, ends=True)) as script:
        error = await error_of(fetcher, script.url)

    assert error.failure.code == NETWORK
    assert "closed the connection unanswered" in error.failure.message


# What becomes of the connection


@pytest.mark.parametrize(
    "answer",
    [
        KEPT + b"junk",
        KEPT + KEPT,
        CHUNKED + b"2\r\nok\r\n0\r\n\r\njunk",
        OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        [KEPT, b"junk"],
    ],
)
async def test_connection_of_which_more_came_or_that_shall_end_is_not_used_again(
    fetcher: HttpFetcher, answer: bytes | list[bytes]
) -> None:
    async with served(Script(answer, KEPT)) as script:
        assert await get(fetcher, script.url) in {b"ok", b""}
        await script.until_closed()
        assert await get(fetcher, script.url) in {b"ok", b""}
    assert script.connections == 2
    assert len(script.requests) == 2


async def test_connection_that_the_origin_ends_while_idle_is_replaced(
    fetcher: HttpFetcher,
) -> None:
    async with served(Script(KEPT, ends=True)) as script:
        await get(fetcher, script.url)
        await script.until_closed()
        await get(fetcher, script.url)
    assert script.connections == 2


async def test_small_answer_that_nobody_read_keeps_its_connection(fetcher: HttpFetcher) -> None:
    """Redirects and refused statuses are the common case of it."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 4\r\n\r\nmove"
    async with served(Script(moved, KEPT)) as script:
        assert await get(fetcher, script.url) == b"ok"
    assert script.connections == 1


async def test_requests_wait_for_a_connection_within_the_connect_timeout() -> None:
    options = replace(OPTIONS, max_connections=1, connect_timeout_ms=100)
    async with (
        HttpFetcher(options) as fetcher,
        served(Script([], KEPT)) as script,
        asyncio.TaskGroup() as tasks,
    ):
        first = tasks.create_task(error_of(fetcher, script.url))
        await script.is_asked.wait()
        second = tasks.create_task(error_of(fetcher, script.url))

    assert "worker.read_timeout_ms" in first.result().failure.message
    assert "worker.connect_timeout_ms" in second.result().failure.message
    assert script.connections == 1


async def test_failed_and_cancelled_fetches_take_no_place_for_good() -> None:
    async with (
        HttpFetcher(replace(OPTIONS, max_connections=1)) as fetcher,
        served(Script(b"no HTTP\r\n\r\n")) as broken,
        served(Script(KEPT)) as script,
    ):
        for url in (f"http://127.0.0.1:{closed_port()}/", broken.url):
            await error_of(fetcher, url)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(get(fetcher, "http://192.0.2.1/"))
            await asyncio.sleep(0)
            task.cancel()
        assert await get(fetcher, script.url) == b"ok"


async def test_no_more_connections_are_used_at_once_than_allowed() -> None:
    answers = [KEPT] * 12
    async with (
        HttpFetcher(replace(OPTIONS, max_connections=2)) as fetcher,
        served(Script(*answers)) as script,
        asyncio.TaskGroup() as tasks,
    ):
        for _ in answers:
            tasks.create_task(get(fetcher, script.url))
    assert script.connections == 2
    assert len(script.requests) == 12


@pytest.mark.parametrize("answer", [[], [OK], [OK + b"Content-Length: 9\r\n\r\nsome"], [CHUNKED]])
async def test_cancelled_at_any_stage_the_connection_is_closed(
    fetcher: HttpFetcher, answer: list[bytes]
) -> None:
    async with served(Script(answer, KEPT)) as script, asyncio.TaskGroup() as tasks:
        task = tasks.create_task(get(fetcher, script.url))
        await script.is_asked.wait()
        task.cancel()
        await script.until_closed()
    assert task.cancelled()


async def test_cancelled_while_connecting_nothing_stays_open(fetcher: HttpFetcher) -> None:
    """In a TLS handshake that never goes on."""

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        is_open.set()
        await reader.read()
        is_closed.set()

    is_open, is_closed = asyncio.Event(), asyncio.Event()
    async with Listener("127.0.0.1", 0, serve) as listener, asyncio.TaskGroup() as tasks:
        task = tasks.create_task(get(fetcher, f"https://127.0.0.1:{listener.port}/"))
        await is_open.wait()
        task.cancel()
        async with asyncio.timeout(5):
            await is_closed.wait()


async def test_connections_end_with_the_fetcher() -> None:
    async with served(Script(KEPT, [])) as script:
        async with HttpFetcher(OPTIONS) as fetcher:
            await get(fetcher, script.url)
        await script.until_closed()


# Slow readers


def impatient(**given: int) -> HttpOptions:
    return replace(OPTIONS, **given)  # type: ignore[arg-type]  # only the timeouts are given


class Fountain:
    """An origin that sends a large body as fast as it is read; counts what has left it."""

    def __init__(self) -> None:
        self.sent = 0
        self._moves = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.set_write_buffer_limits(0)
        writer.write(OK + f"Content-Length: {20 * MIB}\r\n\r\n".encode())
        while self.sent < 20 * MIB:
            writer.write(bytes(MIB // 16))
            await writer.drain()
            self.sent += MIB // 16
            self._moves.set()

    async def until_still(self) -> None:
        """Wait until nothing leaves it any more."""
        with suppress(TimeoutError):
            while True:
                self._moves.clear()
                async with asyncio.timeout(0.3):
                    await self._moves.wait()


async def test_large_body_stays_small_in_memory_while_nobody_reads(fetcher: HttpFetcher) -> None:
    """The origin cannot send what would have to be held."""
    fountain = Fountain()
    async with Listener("127.0.0.1", 0, fountain.serve) as listener:
        request = FetchRequest(url=f"http://127.0.0.1:{listener.port}/")
        async with fetcher.fetch(request) as response:
            await fountain.until_still()
            held = fountain.sent
            sizes = [len(chunk) async for chunk in response.chunks()]

    assert held < 15 * MIB  # in the buffers of two sockets, nearly all of it
    assert sum(sizes) == 20 * MIB
    assert max(sizes) <= 3 * READ_AHEAD_BYTES


async def test_silence_that_follows_a_pause_is_told_apart_from_the_pause() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: 9\r\n\r\nsome")
        await reader.read()

    options = impatient(read_timeout_ms=100)
    async with HttpFetcher(options) as fetcher, Listener("127.0.0.1", 0, serve) as listener:
        request = FetchRequest(url=f"http://127.0.0.1:{listener.port}/")
        async with fetcher.fetch(request) as response:
            chunks = response.chunks()
            assert await anext(chunks) == b"some"
            await passes(0.3)  # as with a slow storage
            waited_since = asyncio.get_running_loop().time()
            with pytest.raises(FetchError) as caught:
                await anext(chunks)
            waited = asyncio.get_running_loop().time() - waited_since

    assert caught.value.failure.code == TIMEOUT
    assert "worker.read_timeout_ms" in caught.value.failure.message
    assert waited >= 0.09


async def test_stall_of_our_own_is_no_silence() -> None:
    """What comes as soon as we turn to it came in time."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        is_asked.set()
        await is_over.wait()
        writer.write(KEPT)
        await writer.drain()

    is_asked, is_over = asyncio.Event(), asyncio.Event()
    async with (
        HttpFetcher(impatient(read_timeout_ms=100)) as fetcher,
        Listener("127.0.0.1", 0, serve) as listener,
        asyncio.TaskGroup() as tasks,
    ):
        body = tasks.create_task(get(fetcher, f"http://127.0.0.1:{listener.port}/"))
        await is_asked.wait()
        stall(0.3)
        is_over.set()
    assert body.result() == b"ok"


def stall(seconds: float) -> None:
    """Keep the loop from turning, as a long computation does."""
    loop = asyncio.get_running_loop()
    ended = loop.time() + seconds
    while loop.time() < ended:
        pass


# TLS


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Make an identity of the origin that the fetcher of this test trusts."""
    identity = make_identity(["127.0.0.1"])
    authority = tmp_path / "ca.pem"
    authority.write_bytes(identity.ca_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    return identity.server


async def test_tls_connection_serves_one_request_after_the_other(tls: ssl.SSLContext) -> None:
    large = OK + f"Content-Length: {2 * MIB}\r\n\r\n".encode() + bytes(2 * MIB)
    async with HttpFetcher(OPTIONS) as fetcher, served(Script(KEPT, large, KEPT), tls) as script:
        assert await get(fetcher, script.url) == b"ok"
        assert len(await get(fetcher, script.url)) == 2 * MIB
        assert await get(fetcher, script.url) == b"ok"
        assert script.connections == 1


@pytest.mark.parametrize(
    ("answer", "body"),
    [(KEPT, b"ok"), (CHUNKED + b"4\r\nso", None), (OK + b"Content-Length: 9\r\n\r\nsome", None)],
)
async def test_tls_that_ends_without_a_farewell(
    tls: ssl.SSLContext, answer: bytes, body: bytes | None
) -> None:
    """No close_notify: only a length or the last chunk says that a body is whole."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.transport.abort()

    async with HttpFetcher(OPTIONS) as fetcher, Listener("127.0.0.1", 0, serve, tls) as listener:
        url = f"https://127.0.0.1:{listener.port}/"
        if body is not None:
            assert await get(fetcher, url) == body
        else:
            assert (await error_of(fetcher, url)).failure.code == INCOMPLETE


@pytest.mark.parametrize("user", ["", "fetch:box@"])
@pytest.mark.parametrize("is_tls", [False, True])
async def test_proxy_may_speak_tls_itself(tls: ssl.SSLContext, user: str, *, is_tls: bool) -> None:
    """With TLS in TLS to a TLS origin."""
    large = OK + f"Content-Length: {2 * MIB}\r\n\r\n".encode() + bytes(2 * MIB)
    proxy = Proxy("secure", Journal(), Rules(credentials=user.removesuffix("@")))
    async with (
        HttpFetcher(OPTIONS) as fetcher,
        served(Script(large), tls if is_tls else None) as script,
        Listener("127.0.0.1", 0, proxy.serve, tls) as listener,
    ):
        uri = f"https://{user}127.0.0.1:{listener.port}"
        async with fetcher.fetch(FetchRequest(url=script.url, proxy=uri)) as response:
            assert len(await response.read()) == 2 * MIB
    assert proxy.counts.connects == is_tls
    assert b"proxy-authorization" not in script.requests[0].lower()


async def test_proxy_whose_certificate_is_not_trusted_is_its_own_fault() -> None:
    identity = make_identity(["127.0.0.1"])
    proxy = Proxy("secure", Journal(), Rules())
    async with (
        HttpFetcher(OPTIONS) as fetcher,
        Listener("127.0.0.1", 0, proxy.serve, identity.server) as listener,
    ):
        uri = f"https://127.0.0.1:{listener.port}"
        with pytest.raises(FetchError) as caught:
            async with fetcher.fetch(FetchRequest(url="http://origin.test/", proxy=uri)):
                pass

    assert (caught.value.failure.code, caught.value.side) == (NETWORK, Side.PROXY)
    assert f"certificate of 127.0.0.1:{listener.port}" in caught.value.failure.message


@pytest.mark.parametrize("status", [b"403 Forbidden", b"200 OK"])
async def test_tunnel_that_does_not_come_about_is_closed(status: bytes) -> None:
    """Refused, or opened to where nobody speaks TLS."""
    answer = b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"
    async with (
        HttpFetcher(impatient(connect_timeout_ms=200)) as fetcher,
        served(Script(answer)) as script,
    ):
        with pytest.raises(FetchError):
            async with fetcher.fetch(
                FetchRequest(url="https://origin.test/", proxy=script.url.rstrip("/"))
            ):
                pass
        await script.until_closed()


# Names


async def test_address_that_does_not_answer_takes_not_the_whole_time() -> None:
    def look_up(_: str, port: int) -> list[Address]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port))
            for host in ("127.0.0.2", "127.0.0.1")
        ]

    async with HttpFetcher(OPTIONS, Names(look_up)) as fetcher, served(Script(KEPT)) as script:
        port = urlsplit(script.url).port or 0
        with silent_port("127.0.0.2", port):
            async with asyncio.timeout(OPTIONS.connect_timeout_ms / 1000 / 2):
                assert await get(fetcher, f"http://two.test:{port}/") == b"ok"


@contextmanager
def silent_port(host: str, port: int) -> Iterator[None]:
    """Let nobody connect, nor be refused: a queue of one, and full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind((host, port))
        listener.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)  # noqa: FBT003  # its only parameter
            waiting.connect_ex((host, port))
        yield
