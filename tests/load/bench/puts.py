"""Ways to PUT a small object, compared: objects per second, and CPU per object.

    python -m tests.load.bench.puts [--arms obstore,aiohttp] [--rounds 3] [--count 10000]

Every arm is a process of its own and sends bodies of 20 KiB with the headers that the worker sends,
64 at once; the arms take turns. They go to the null sink or, with `--minio PROGRAM`, to a MinIO on
tmpfs, which verifies what is signed. What it decided: docs/decisions/0014-s3-put.md.
"""

import argparse
import asyncio
import hashlib
import hmac
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import aiohttp
import httptools
import obstore
import uvloop
from obstore.store import S3Store
from yarl import URL

from tests.load.bench.floor import build_floor, floor, minio
from tests.load.bench.objects import make_bucket
from tests.load.bench.setup import TMPFS

BUCKET: Final = "bench-bucket"
REGION: Final = "us-east-1"
ACCESS_KEY: Final = "bench-key"
SECRET_KEY: Final = "bench-secret"
BODY_BYTES: Final = 20_480
IN_FLIGHT: Final = 64
#: Not counted: connections are made, caches filled.
WARM: Final = 300

#: Stores a body under a key with headers; returns the ETag.
Put = Callable[[str, bytes, dict[str, str]], Awaitable[str]]
Arm = Callable[[str], AbstractAsyncContextManager[Put]]


@cache
def day_key(day: str) -> bytes:
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def signed(host: str, path: str, own: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a PUT: Signature Version 4, without a digest of the body."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    day = moment[:8]
    headers = {**own, "host": host, "x-amz-date": moment}
    headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
    names = sorted(headers)
    listed = ";".join(names)
    lines = "".join([f"{name}:{headers[name]}\n" for name in names])
    request = f"PUT\n{path}\n\n{lines}\n{listed}\nUNSIGNED-PAYLOAD"
    scope = f"{day}/{REGION}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    signature = hmac.digest(day_key(day), text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={listed},"
        f" Signature={signature}"
    )
    return headers


@asynccontextmanager
async def by_obstore(endpoint: str, **client: Any) -> AsyncIterator[Put]:
    """Pass everything to Rust; `client` are options of its HTTP client."""
    store = S3Store(
        BUCKET,
        endpoint=endpoint,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        region=REGION,
        virtual_hosted_style_request=False,
        unsigned_payload=True,
        client_options=cast(Any, {"allow_http": True, "timeout": "60s", **client}),
        retry_config={"max_retries": 0},
    )

    async def put(key: str, body: bytes, headers: dict[str, str]) -> str:
        attributes = {name.removeprefix("x-amz-meta-"): text for name, text in headers.items()}
        result = await obstore.put_async(
            store, key, body, attributes=attributes, use_multipart=False
        )
        return result["e_tag"] or ""

    yield put


@asynccontextmanager
async def by_aiohttp(endpoint: str) -> AsyncIterator[Put]:
    host = urlsplit(endpoint).netloc
    timeout = aiohttp.ClientTimeout(total=60, connect=5)
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def put(key: str, body: bytes, headers: dict[str, str]) -> str:
            path = f"/{BUCKET}/{key}"
            url = URL(endpoint + path, encoded=True)
            async with session.put(url, data=body, headers=signed(host, path, headers)) as answer:
                answer.raise_for_status()
                return answer.headers["etag"]

        yield put


@asynccontextmanager
async def by_pyreqwest(endpoint: str) -> AsyncIterator[Put]:
    builder = importlib.import_module("pyreqwest.client").ClientBuilder()
    host = urlsplit(endpoint).netloc
    async with builder.error_for_status().build() as client:

        async def put(key: str, body: bytes, headers: dict[str, str]) -> str:
            path = f"/{BUCKET}/{key}"
            full = signed(host, path, headers)
            del full["host"]
            request = client.put(endpoint + path).headers(full).body_bytes(body).build()
            return (await request.send()).get_header("etag") or ""

        yield put


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, head: bytes, body: bytes) -> "asyncio.Future[str]":
        self._etag = asyncio.get_running_loop().create_future()
        self._found = ""
        self._transport.writelines((head, body))
        return self._etag

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"etag":
            self._found = value.decode()

    def on_message_complete(self) -> None:
        self._etag.set_result(self._found)


@asynccontextmanager
async def by_protocol(endpoint: str) -> AsyncIterator[Put]:
    """Write the request to the event loop's own transport."""
    parts = urlsplit(endpoint)
    idle: list[Connection] = []
    loop = asyncio.get_running_loop()

    async def put(key: str, body: bytes, headers: dict[str, str]) -> str:
        path = f"/{BUCKET}/{key}"
        full = signed(parts.netloc, path, headers)
        lines = "".join([f"{name}: {text}\r\n" for name, text in full.items()])
        head = f"PUT {path} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        if idle:
            connection = idle.pop()
        else:
            _, connection = await loop.create_connection(
                Connection, parts.hostname or "", parts.port or 80
            )
        async with asyncio.timeout(60):
            etag = await connection.send(head.encode(), body)
        idle.append(connection)
        return etag

    yield put


ARMS: Final[Mapping[str, Arm]] = {
    "obstore": by_obstore,
    "aiohttp": by_aiohttp,
    "pyreqwest": by_pyreqwest,
    "protocol": by_protocol,
    "obstore-pool-64": partial(by_obstore, pool_max_idle_per_host="64"),
    "obstore-1-thread": by_obstore,
    "obstore-2-threads": by_obstore,
}
ENVIRONMENT: Final[Mapping[str, Mapping[str, str]]] = {
    "obstore-1-thread": {"TOKIO_WORKER_THREADS": "1"},
    "obstore-2-threads": {"TOKIO_WORKER_THREADS": "2"},
}


async def run_arm(arm: str, endpoint: str, count: int, prefix: str) -> tuple[float, float, float]:
    """Store `count` objects; return seconds, CPU of the process and CPU of the loop's thread."""
    body = os.urandom(BODY_BYTES)
    etag = f'"{hashlib.md5(body).hexdigest()}"'  # noqa: S324  # what S3 calls an ETag
    headers = {
        "content-type": "application/octet-stream",
        "x-amz-meta-sha256": hashlib.sha256(body).hexdigest(),
    }
    async with ARMS[arm](endpoint) as put:

        async def put_some(numbers: Iterator[int]) -> None:
            for number in numbers:
                if await put(f"{prefix}/{number}", body, dict(headers)) != etag:
                    raise RuntimeError(arm)

        async def put_all(numbers: Iterator[int]) -> None:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(IN_FLIGHT):
                    tasks.create_task(put_some(numbers))

        await put_all(iter(range(WARM)))
        started = time.perf_counter(), time.process_time(), time.thread_time()
        await put_all(iter(range(WARM, WARM + count)))
        seconds, cpu, loop = started
        return (
            time.perf_counter() - seconds,
            time.process_time() - cpu,
            time.thread_time() - loop,
        )


def measure(arm: str, endpoint: str, count: int, prefix: str) -> tuple[float, float, float]:
    """Run an arm in a process of its own; return objects/s, CPU us and loop us per object."""
    command = [sys.executable, "-m", "tests.load.bench.puts", "--run", arm, endpoint, prefix]
    ended = subprocess.run(
        [*command, "--count", str(count)],
        stdout=subprocess.PIPE,
        check=True,
        env=os.environ | ENVIRONMENT.get(arm, {}),
    )
    seconds, cpu, loop = json.loads(ended.stdout)
    return count / seconds, cpu / count * 1e6, loop / count * 1e6


@contextmanager
def storage(program: str | None) -> Iterator[str]:
    """Run what stores: the null sink, or a MinIO on tmpfs."""
    if program is None:
        with floor(build_floor(Path(".cache/bench")), "sink") as url:
            yield url
    else:
        with (
            tempfile.TemporaryDirectory(prefix="fetchbox-puts-", dir=TMPFS) as folder,
            minio(Path(program), Path(folder)) as url,
        ):
            yield url


def main() -> None:
    """Compare, or be one of those that are compared."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench.puts")
    parser.add_argument("--arms", default="obstore,aiohttp,pyreqwest,protocol")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--minio", metavar="PROGRAM")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        arm, endpoint, prefix = given.run
        print(json.dumps(uvloop.run(run_arm(arm, endpoint, given.count, prefix))))
        return
    arms = given.arms.split(",")
    runs: dict[str, list[tuple[float, float, float]]] = {arm: [] for arm in arms}
    with storage(given.minio) as endpoint:
        make_bucket(endpoint, BUCKET)
        for number in range(given.rounds):
            for arm in arms[:: 1 if number % 2 == 0 else -1]:
                runs[arm].append(measure(arm, endpoint, given.count, f"{arm}-{number}"))
    print(f"{'arm':20}{'objects/s':>10}{'CPU us':>8}{'of the loop':>13}")
    for arm in arms:
        speed, cpu, loop = map(statistics.median, zip(*runs[arm], strict=True))
        print(f"{arm:20}{speed:10.0f}{cpu:8.0f}{loop:13.0f}")


if __name__ == "__main__":
    main()
