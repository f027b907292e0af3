"""The static origin serves what tests/load/floor serves, as fast as it is asked."""

import asyncio
import hashlib
import time

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.load.plan import Wanted, Workload, sizes_of, stages_of
from tests.load.static import PATTERN, serve
from tests.load.upstream import Upstream, address_towards, measure_ceiling, own_upstream


def url_of(server: asyncio.Server) -> str:
    host, port = server.sockets[0].getsockname()[:2]
    return f"http://{host}:{port}"


@pytest.mark.parametrize("size", [0, 1, len(PATTERN), len(PATTERN) * 2 + 3])
async def test_bodies_have_their_size_and_digest(size: int) -> None:
    should = (PATTERN * 3)[:size]
    async with await serve() as server, aiohttp.ClientSession() as session:
        upstream = Upstream(name="static", base=url_of(server))
        async with session.get(upstream.url(Wanted(size=size), "tenant/1/2")) as response:
            assert await response.read() == should
        assert await upstream.digest(session, size) == hashlib.sha256(should).hexdigest()


@pytest.mark.parametrize("status", [404, 503])
async def test_faults_have_their_status(status: int) -> None:
    async with await serve() as server, aiohttp.ClientSession() as session:
        upstream = Upstream(name="static", base=url_of(server))
        async with session.get(upstream.url(Wanted(size=9, fault=status), "x")) as response:
            assert (response.status, await response.read()) == (status, b"")


async def test_requests_that_come_in_pieces_and_in_a_row_are_answered() -> None:
    async with await serve() as server:
        host, port = server.sockets[0].getsockname()[:2]
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /b/3/a HTTP/1.1\r\n\r\nGET http://here/b/2/b HTTP/1.1\r\nHost: x")
        writer.write(b"\r\n\r\nPOST / HTTP/1.1\r\n\r\n")
        writer.write_eof()
        answers = (await reader.read()).split(b"HTTP/1.1 ")[1:]
        writer.close()
    assert [each[:3] for each in answers] == [b"200", b"200", b"404"]
    assert [each.endswith(PATTERN[:n]) for each, n in zip(answers, (3, 2, 0), strict=True)]


async def test_the_ceiling_is_what_one_client_got() -> None:
    workload = Workload(stages=stages_of("", 1, 1), resources=1, sizes=sizes_of("1kB"))
    async with await serve() as server, aiohttp.ClientSession() as session:
        ceiling = await measure_ceiling(session, Upstream(name="s", base=url_of(server)), workload)
    assert ceiling.requests_per_s > 10
    assert ceiling.bytes_per_s == pytest.approx(ceiling.requests_per_s * 1000, rel=0.01)


async def test_first_bytes_are_noted_once_they_are_asked_for() -> None:
    async with await serve() as server, aiohttp.ClientSession() as session:
        upstream = Upstream(name="static", base=url_of(server))

        async def ask(run: str, number: int, fault: int = 0) -> None:
            url = upstream.url(Wanted(size=3, fault=fault), f"{run}/{number}/0")
            async with session.get(url) as response:
                await response.read()

        await ask("run", 1)
        assert await upstream.first_bytes(session, "run") == []
        before_ms = time.time() * 1e3
        await ask("run", 2)
        await ask("run", 3, fault=503)
        await ask("other", 4)
        (first,) = await upstream.first_bytes(session, "run") or ()
        assert (first.number, first.resource_id) == (2, "0")
        assert before_ms - 1 <= first.at_ms <= time.time() * 1e3 + 1
        assert await upstream.first_bytes(session, "run") == []


async def test_an_upstream_that_notes_nothing_says_so() -> None:
    async with TestServer(web.Application()) as server, aiohttp.ClientSession() as session:
        upstream = Upstream(name="floor", base=str(server.make_url("")).rstrip("/"))
        assert await upstream.first_bytes(session, "run") is None


def test_our_upstream_listens_where_the_service_reaches_it() -> None:
    assert address_towards("http://127.0.0.1:8080") == "127.0.0.1"
    with own_upstream("http://127.0.0.1:8080") as upstream:
        assert upstream.base.startswith("http://127.0.0.1:")
        assert upstream.pid is not None
