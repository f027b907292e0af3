"""What the manifests of a load point at: a static server whose ceiling is measured, never assumed.

It is a process of its own beside the generator, or whatever UPSTREAM names that speaks as it does.
"""

import asyncio
import hashlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from tests.load.plan import Wanted, Workload
from tests.load.tally import FirstByte

ROOT: Final = Path(__file__).resolve().parents[2]
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
    base: str
    #: Of the process, where it is one of our own.
    pid: int | None = None
    _digests: dict[int, str] = field(default_factory=dict)

    def url(self, wanted: Wanted, unique: str) -> str:
        """Return an URL that is asked for once."""
        if wanted.fault:
            return f"{self.base}/b/0/{unique}?status={wanted.fault}"
        return f"{self.base}/b/{wanted.size}/{unique}"

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

    async def first_bytes(
        self, session: aiohttp.ClientSession, run: str
    ) -> Sequence[FirstByte] | None:
        """Return the bodies of a run begun since the last call; None where nobody notes them."""
        async with session.get(f"{self.base}/first/{run}") as response:
            if response.status != HTTPStatus.OK:
                return None
            told = await response.text()
        return [_first_byte(line) for line in told.splitlines()]


def address_towards(url: str) -> str:
    """Return the address of this machine that whoever serves `url` can reach it by."""
    parts = urlsplit(url)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((parts.hostname, parts.port or 80))  # a datagram socket sends nothing
        host: str = probe.getsockname()[0]
        return host


def _first_byte(line: str) -> FirstByte:
    name, at_ms = line.split()
    number, resource_id = name.split("/")
    return FirstByte(number=int(number), resource_id=resource_id, at_ms=float(at_ms))


@contextmanager
def own_upstream(api: str) -> Iterator[Upstream]:
    """Run the static server where the service behind `api` reaches it."""
    command = [sys.executable, "-m", "tests.load.static", address_towards(api)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline())["address"]
            yield Upstream(name="tests.load.static", base=f"http://{address}", pid=process.pid)
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
