"""What the manifests of a load point at: a static server whose ceiling is measured, never assumed.

With Go it is the origin of tests/load/floor, else `tests.load.static` beside it; on a stack that
somebody else runs it is the origin of the peers, the only one its workers can reach.
"""

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from tests.load.bench.floor import AbsentError, build_floor, floor
from tests.load.plan import Wanted, Workload

#: How long, and by how many clients at once, the ceiling is measured.
MEASURED_S: Final = 1.0
CLIENTS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """What the upstream gave one Python client: it can do at least that."""

    requests_per_s: float
    bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """URLs of bodies and of errors. All bodies of one size are alike."""

    name: str
    body: str
    fault: str
    _digests: dict[int, str] = field(default_factory=dict)

    def url(self, wanted: Wanted, unique: str) -> str:
        """Return an URL that is asked for once."""
        pattern = self.fault if wanted.fault else self.body
        return pattern.format(size=wanted.size, status=wanted.fault, unique=unique)

    async def digest(self, session: aiohttp.ClientSession, size: int) -> str:
        """Return the SHA-256 of the body of a size, read from the upstream once."""
        if size not in self._digests:
            url = self.url(Wanted(size=size), "digest")
            async with session.get(url, raise_for_status=True) as response:
                digest = hashlib.sha256()
                async for chunk in response.content.iter_chunked(1 << 20):
                    digest.update(chunk)
            self._digests[size] = digest.hexdigest()
        return self._digests[size]


def floor_upstream(name: str, url: str) -> Upstream:
    """Return the URLs of tests/load/floor."""
    return Upstream(
        name=name,
        body=f"{url}/b/{{size}}/{{unique}}",
        fault=f"{url}/b/0/{{unique}}?status={{status}}",
    )


def peers_upstream(origin: str, case: str) -> Upstream:
    """Return the URLs of the peers' origin."""
    return Upstream(
        name="the peers' origin (Python)",
        body=f"{origin}/c/{case}/bytes/{{size}}/{{unique}}?seed=load",
        fault=f"{origin}/c/{case}/status/{{status}}/{{unique}}",
    )


@contextmanager
def own_upstream(cache: Path) -> Iterator[Upstream]:
    """Run a static server on loopback: the Go one, else the Python one."""
    try:
        binary = build_floor(cache)
    except AbsentError:
        with _python_origin() as url:
            yield floor_upstream("tests.load.static (Python, as there is no Go)", url)
    else:
        with floor(binary, "origin") as url:
            yield floor_upstream("tests/load/floor (Go)", url)


@contextmanager
def _python_origin() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.load.static"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://{json.loads(process.stdout.readline())['address']}"
        finally:
            process.terminate()


async def measure_ceiling(
    session: aiohttp.ClientSession, upstream: Upstream, workload: Workload
) -> Ceiling:
    """Ask for bodies of the workload's mean size as fast as this process can, for a second."""
    loop = asyncio.get_running_loop()
    wanted = Wanted(size=round(workload.mean_size))
    counts = [0, 0]
    begun = loop.time()

    async def ask(client: int) -> None:
        while loop.time() < begun + MEASURED_S:
            url = upstream.url(wanted, f"ceiling-{client}")
            async with session.get(url, raise_for_status=True) as response:
                counts[1] += len(await response.read())
            counts[0] += 1

    async with asyncio.TaskGroup() as group:
        for client in range(CLIENTS):
            group.create_task(ask(client))
    seconds = loop.time() - begun
    return Ceiling(requests_per_s=counts[0] / seconds, bytes_per_s=counts[1] / seconds)
