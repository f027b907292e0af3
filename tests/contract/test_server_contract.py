"""The server as clients on a socket see it: real uvicorn, loopback, a port of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fetchbox.api.app import create_app
from fetchbox.api.server import serve
from fetchbox.broker import streams
from fetchbox.broker.port import TopicSpec
from fetchbox.ledger.port import NewJob
from fetchbox.ledger.sqlite import SqliteLedger
from fetchbox.model.job import Pointer
from tests.fakes.api import JOB_ID, make_options, make_services
from tests.fakes.broker import FakeBroker

HOST = "127.0.0.1"
LIMIT = 65_536


@dataclass
class Served:
    """A running server; `requests` opens connections to it."""

    port: int
    stop: asyncio.Event
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(HOST, self.port)

    async def ask(self, text: bytes) -> bytes:
        """Send raw bytes on a connection of its own; return everything that comes back."""
        reader, writer = await self.connect()
        writer.write(text)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[Served]:
    broker = FakeBroker()
    await broker.ensure([TopicSpec(name=streams.LOGS, partitions=4, retention_ms=1)])
    stopping, bound = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with SqliteLedger(path=path) as ledger, asyncio.TaskGroup() as group:
        await ledger.create_job(
            NewJob(
                job_id=JOB_ID,
                job_type="default",
                tenant="acme",
                manifest_key="s3://b/k",
                manifest_sha256="",
                resource_count=1,
                log_cursor=Pointer(partition=0, offset=0),
                trace_id="t",
                created_at_ms=1,
            )
        )
        options = make_options(max_body_bytes=LIMIT)
        app = create_app(make_services(ledger, broker=broker), options, stopping=stopping)
        stop = asyncio.Event()
        served = Served(0, stop)

        async def run() -> None:
            await serve(
                app,
                HOST,
                0,
                stop=stop,
                stopping=stopping,
                on_bound=lambda host, port: bound.set_result((host, port)),
            )
            served.done.set()

        group.create_task(run())
        host, served.port = await bound
        assert host == HOST
        try:
            yield served
        finally:
            stop.set()


async def test_port_zero_is_reported_and_answers(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        answer = await served.ask(
            b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b'{"status":"ok"}')
    assert b"server:" not in answer.lower()


async def test_followed_log_ends_in_good_order_when_the_service_stops(tmp_path: Path) -> None:
    """Neither the grace period nor a broken stream: the last chunk is the empty one."""
    async with asyncio.timeout(5), serving(tmp_path) as served:
        reader, writer = await served.connect()
        target = f"/operators/jobs/{JOB_ID}/logs?follow=true"
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        served.stop.set()
        assert await reader.read() == b"0\r\n\r\n"
        await served.done.wait()
        writer.close()
        await writer.wait_closed()


async def test_request_that_runs_when_the_service_stops_is_finished(tmp_path: Path) -> None:
    async with asyncio.timeout(5), serving(tmp_path) as served:
        reader, writer = await served.connect()
        body = b'{"x": 1}'
        writer.write(
            b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"X-Fetchbox-Job-Type: default\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        served.stop.set()
        writer.write(body)
        assert (await reader.read()).startswith(b"HTTP/1.1 202")
        writer.close()
        await writer.wait_closed()


async def test_new_connections_are_refused_after_the_stop(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.stop.set()
        await served.done.wait()
        with pytest.raises(ConnectionRefusedError):
            await served.connect()


async def test_large_upload_is_answered_413_and_the_answer_is_not_lost(tmp_path: Path) -> None:
    """A client that sends everything before it reads still gets to see why."""
    async with asyncio.timeout(5), serving(tmp_path) as served:
        answer = await served.ask(
            b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"X-Fetchbox-Job-Type: default\r\nTransfer-Encoding: chunked\r\n"
            b"Connection: close\r\n\r\n" + b"10000\r\n" + b"x" * 65_536 + b"\r\n"
            b"1\r\nx\r\n0\r\n\r\n"
        )
    assert answer.startswith(b"HTTP/1.1 413")


async def test_address_in_use_is_an_os_error(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        with pytest.raises(OSError, match="in use"):
            await serve(None, HOST, served.port, stop=asyncio.Event(), stopping=asyncio.Event())
