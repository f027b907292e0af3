"""HTTP clients taking turns in the raw relay: GET, digest, PUT, nothing else (decision 13).

`--work` adds that much computing per object, as bookkeeping does. pyreqwest is installed by hand.
Usage:
    python -m tests.load.bench.clients [--work MICROSECONDS] [--rounds N] [--count N] [--size BYTES]
"""

import argparse
import asyncio
import hashlib
import importlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import aiohttp
import httptools
import obstore
import uvloop

from tests.load.bench.floor import build_floor, floor
from tests.load.bench.objects import make_bucket
from tests.load.bench.relay import Relay, open_store
from tests.load.bench.service import BUCKET

IN_FLIGHT: Final = 64
#: GET a URL: the body, and its content type. A body is bytes, or pyreqwest's view of them.
Get = Callable[[str], Awaitable[tuple[Any, str]]]


@asynccontextmanager
async def open_aiohttp() -> AsyncIterator[Get]:
    """One session, as the fetcher's."""
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

        async def get(url: str) -> tuple[bytes, str]:
            async with session.get(url) as response:
                return await response.read(), response.headers["Content-Type"]

        yield get


@asynccontextmanager
async def open_pyreqwest(*, read_ahead: int, is_threaded: bool) -> AsyncIterator[Get]:
    """One client. With `read_ahead` 0 the answer comes before its body, as the port promises."""
    builder = importlib.import_module("pyreqwest.client").ClientBuilder()
    builder.runtime_multithreaded(is_threaded).follow_redirects(False).no_proxy()  # noqa: FBT003
    async with builder.build() as client:

        async def get(url: str) -> tuple[Any, str]:
            request = client.get(url).streamed_read_buffer_limit(read_ahead).build_streamed()
            async with request as response:
                return await response.bytes(), response.get_header("content-type")

        yield get


class _Connection(asyncio.Protocol):
    """The least that can be an HTTP client: one request at a time, and no fault provided for."""

    def __init__(self, free: list["_Connection"]) -> None:
        self._free = free
        self._chunks: list[bytes] = []
        self._kind = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get(self, target: str, host: str) -> "asyncio.Future[tuple[Any, str]]":
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[tuple[Any, str]] = asyncio.get_running_loop().create_future()
        self._transport.write(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self._kind = value.decode()

    def on_body(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        self._answer.set_result((b"".join(self._chunks), self._kind))
        self._chunks.clear()
        self._free.append(self)


@asynccontextmanager
async def open_bare() -> AsyncIterator[Get]:
    """Connections of asyncio's with the parser that uvicorn uses: what a client must cost."""
    free: list[_Connection] = []

    async def get(url: str) -> tuple[Any, str]:
        parts = urlsplit(url)
        if not free:
            loop = asyncio.get_running_loop()
            _, made = await loop.create_connection(
                lambda: _Connection(free), parts.hostname or "", parts.port or 80
            )
            return await made.get(parts.path, parts.netloc)
        return await free.pop().get(parts.path, parts.netloc)

    yield get


CLIENTS: Final[dict[str, Callable[[], AbstractAsyncContextManager[Get]]]] = {
    "aiohttp": open_aiohttp,
    "pyreqwest": partial(open_pyreqwest, read_ahead=0, is_threaded=False),
    "pyreqwest, body at once": partial(open_pyreqwest, read_ahead=65_536, is_threaded=False),
    "pyreqwest, threads": partial(open_pyreqwest, read_ahead=0, is_threaded=True),
    "asyncio and httptools": open_bare,
}


def compute(seconds: float) -> None:
    """Keep the interpreter busy."""
    ended = time.thread_time() + seconds
    while time.thread_time() < ended:
        pass


async def copy_all(client: str, relay: Relay, work_s: float) -> float:
    """Copy everything; return the seconds it took."""
    store = open_store(relay.endpoint, relay.bucket)
    numbers = iter(range(relay.count))
    async with CLIENTS[client]() as get:

        async def copy_some() -> None:
            for number in numbers:
                body, kind = await get(f"{relay.origin}/b/{relay.size}/{relay.prefix}/{number}")
                hashlib.sha256(body)
                compute(work_s)
                key = f"{relay.prefix}/{number}"
                await obstore.put_async(store, key, body, attributes={"Content-Type": kind})

        started = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(relay.in_flight):
                tasks.create_task(copy_some())
        return time.perf_counter() - started


def run_one(client: str, relay: str, work_s: str) -> None:
    """Copy in this process, and print what it took."""
    before = time.process_time()
    seconds = uvloop.run(copy_all(client, Relay(**json.loads(relay)), float(work_s)))
    print(json.dumps({"seconds": seconds, "cpu_s": time.process_time() - before}))


def compare(rounds: int, count: int, size: int, work_s: float) -> None:
    """Let the clients take turns, each time in a process of its own; print the medians."""
    found: dict[str, list[tuple[float, float]]] = {client: [] for client in CLIENTS}
    binary = build_floor(Path(".cache/bench"))
    with floor(binary, "origin") as origin, floor(binary, "sink") as s3:
        make_bucket(s3, BUCKET)
        for number in range(rounds):
            for client in list(CLIENTS)[:: 1 if number % 2 == 0 else -1]:
                relay = Relay(
                    origin=origin,
                    endpoint=s3,
                    bucket=BUCKET,
                    prefix=f"{number}-{len(found[client])}-{list(CLIENTS).index(client)}",
                    count=count,
                    size=size,
                    in_flight=IN_FLIGHT,
                )
                words = ["--one", client, json.dumps(asdict(relay)), str(work_s)]
                command = [sys.executable, "-m", "tests.load.bench.clients", *words]
                answer = json.loads(subprocess.check_output(command))
                found[client].append((count / answer["seconds"], answer["cpu_s"] / count * 1e6))
    for client, runs in found.items():
        speed, cost = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{client:24}{speed:8.0f} objects/s{cost:6.0f} us of CPU per object")


def main() -> None:
    """Compare, or be one of the compared."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    for name, default in {"rounds": 3, "count": 4000, "size": 20_480, "work": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    if given.one:
        run_one(*given.one)
    else:
        compare(given.rounds, given.count, given.size, given.work / 1e6)


if __name__ == "__main__":
    main()
