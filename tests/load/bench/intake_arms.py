"""What G8 times: one request, PUT or append after the other, each on fresh ends."""

import asyncio
import hashlib
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import obstore

from tests.load.bench.objects import make_bucket
from tests.load.bench.peers.naive import Stack
from tests.load.bench.relay import open_store
from tests.load.bench.service import BUCKET, Run, manifest_of, running
from tests.load.bench.setup import Sink

RESOURCES: Final = 1000
TASK_BYTES: Final = 300
#: The first ones open connections and fill caches.
WARM_UP: Final = 10
HEADERS: Final = {"Content-Type": "application/json", "X-Fetchbox-Job-Type": "default"}
ACCEPTED: Final = 202


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken(Run):
    """How long each of many acts took that came one after the other, in milliseconds."""

    p50_ms: float
    p99_ms: float


def service_arm(sink: Sink, times: int, *, queued_jobs: int) -> Taken:
    """Post to an API whose workers are away, after so many jobs that stay queued."""
    with tempfile.TemporaryDirectory(prefix="fetchbox-bench-") as name, sink(Path(name)) as s3:
        make_bucket(s3, BUCKET)
        with running(Path(name), s3, workers=0) as service:
            return asyncio.run(_post(service.url, times, WARM_UP + queued_jobs))


def naive_arm(stack: Stack, times: int) -> Taken:
    """Post to the naive stack."""
    with stack() as url:
        return asyncio.run(_post(url, times, before=2))


async def _post(url: str, times: int, before: int) -> Taken:
    """Post manifests one after the other; those `before` are not timed."""
    body = manifest()
    async with aiohttp.ClientSession(url) as session:

        async def submit() -> None:
            async with session.post("/jobs", data=body, headers=HEADERS) as response:
                answer = await response.text()
                if response.status != ACCEPTED:
                    raise RuntimeError(f"POST /jobs answered {response.status}: {answer[:300]}")

        return await timed(submit, times, before)


def manifest() -> bytes:
    """Write a manifest of about 200 KB."""
    digests = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(RESOURCES)]
    return manifest_of(
        {
            f"{n:04}": f"https://images.example.net/catalogue/{n:04}/{digest}.jpg?v={digest[:60]}"
            for n, digest in enumerate(digests)
        }
    )


def put_arm(sink: Sink, times: int) -> Taken:
    """Store the manifest, and nothing else."""
    with tempfile.TemporaryDirectory(prefix="fetchbox-bench-") as name, sink(Path(name)) as s3:
        make_bucket(s3, BUCKET)
        return asyncio.run(_put(s3, times))


async def _put(s3: str, times: int) -> Taken:
    store, body = open_store(s3, BUCKET), manifest()
    numbers = iter(range(times + WARM_UP))

    async def put() -> None:
        await obstore.put_async(store, f"manifests/{next(numbers)}", body)

    return await timed(put, times, WARM_UP)


def append_arm(times: int) -> Taken:
    """Append the tasks of one manifest to a file, and nothing else."""
    with tempfile.TemporaryDirectory(prefix="fetchbox-bench-") as name:
        connection = sqlite3.connect(Path(name) / "log.db", isolation_level=None)
        try:
            return asyncio.run(_append(connection, times))
        finally:
            connection.close()


async def _append(connection: sqlite3.Connection, times: int) -> Taken:
    """Insert in transactions, each on the disk when it ends."""
    connection.executescript(
        "PRAGMA journal_mode = wal; PRAGMA synchronous = FULL;"
        "CREATE TABLE message (number INTEGER PRIMARY KEY, payload BLOB)"
    )
    rows = [(hashlib.shake_128(str(n).encode()).digest(TASK_BYTES),) for n in range(RESOURCES)]

    async def append() -> None:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO message (payload) VALUES (?)", rows)
        connection.execute("COMMIT")

    return await timed(append, times, WARM_UP)


async def timed(act: Callable[[], Awaitable[object]], times: int, before: int) -> Taken:
    """Act again and again; what was done `before` is not counted."""
    for _ in range(before):
        await act()
    took_ms = []
    for _ in range(times):
        started = time.perf_counter()
        await act()
        took_ms.append((time.perf_counter() - started) * 1000)
    return Taken(
        seconds=sum(took_ms) / 1000,
        cpu_s={},
        count=times,
        p50_ms=statistics.median(took_ms),
        p99_ms=statistics.quantiles(took_ms, n=100, method="inclusive")[98],
    )
