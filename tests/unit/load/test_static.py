"""The static origin serves what tests/load/floor serves, as fast as it is asked."""

import asyncio
import hashlib

import aiohttp
import pytest

from tests.load.plan import Wanted, Workload, sizes_of, stages_of
from tests.load.static import PATTERN, serve
from tests.load.upstream import floor_upstream, measure_ceiling, peers_upstream


def url_of(server: asyncio.Server) -> str:
    host, port = server.sockets[0].getsockname()[:2]
    return f"http://{host}:{port}"


@pytest.mark.parametrize("size", [0, 1, len(PATTERN), len(PATTERN) * 2 + 3])
async def test_bodies_have_their_size_and_digest(size: int) -> None:
    should = (PATTERN * 3)[:size]
    async with await serve() as server, aiohttp.ClientSession() as session:
        upstream = floor_upstream("static", url_of(server))
        async with session.get(upstream.url(Wanted(size=size), "tenant/1/2")) as response:
            assert await response.read() == should
        assert await upstream.digest(session, size) == hashlib.sha256(should).hexdigest()


@pytest.mark.parametrize("status", [404, 503])
async def test_faults_have_their_status(status: int) -> None:
    async with await serve() as server, aiohttp.ClientSession() as session:
        upstream = floor_upstream("static", url_of(server))
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
        ceiling = await measure_ceiling(session, floor_upstream("s", url_of(server)), workload)
    assert ceiling.requests_per_s > 10
    assert ceiling.bytes_per_s == pytest.approx(ceiling.requests_per_s * 1000, rel=0.01)


def test_the_peers_are_asked_in_their_own_way() -> None:
    upstream = peers_upstream("http://peers:18001", "load-1")
    assert (
        upstream.url(Wanted(size=5), "t/1/2")
        == "http://peers:18001/c/load-1/bytes/5/t/1/2?seed=load"
    )
    assert (
        upstream.url(Wanted(size=5, fault=404), "t") == "http://peers:18001/c/load-1/status/404/t"
    )
