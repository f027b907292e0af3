"""The arms every comparison shares: FetchBox whole, and the raw relay; each run on fresh ends."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.load.bench.floor import floor
from tests.load.bench.objects import count_stored, make_bucket
from tests.load.bench.service import BUCKET, Run, drive, manifest_of, running
from tests.load.bench.setup import Bench

#: How long an arm may take before it is reported as broken.
LIMIT_S: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What an arm copies: `jobs` manifests of `per_job` bodies of `size` bytes."""

    jobs: int = 20
    per_job: int = 1000
    size: int = 20_480
    #: Of all processes together.
    in_flight: int = 64
    workers: int = 1

    @property
    def count(self) -> int:
        """How many resources that are."""
        return self.jobs * self.per_job

    @property
    def in_flight_each(self) -> int:
        """How many one of the processes copies at once."""
        return self.in_flight // self.workers

    def __str__(self) -> str:
        size = f"{self.size // 1024} KiB"
        return f"{self.count:,} x {size}, {self.in_flight} in flight"

    def urls(self, origin: str) -> list[str]:
        """Return the address of every body; no two are alike."""
        return [
            f"{origin}/b/{self.size}/{job}/{number}"
            for job in range(self.jobs)
            for number in range(self.per_job)
        ]

    def manifests(self, origin: str) -> list[bytes]:
        """Return what is posted."""
        urls = self.urls(origin)
        return [
            manifest_of({str(n): url for n, url in enumerate(urls[first:][: self.per_job])})
            for first in range(0, self.count, self.per_job)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What an arm runs between: an origin, an S3 with an empty bucket, and an empty folder."""

    origin: str
    s3: str
    folder: Path


Arm = Callable[[Workload, Ends], Run]


def on_fresh_ends(bench: Bench, plane: str, load: Workload, arm: Arm) -> Run:
    """Run one arm, then check outside the timed span that every object is there and right."""
    with tempfile.TemporaryDirectory(prefix="fetchbox-bench-") as name:
        folder = Path(name)
        with floor(bench.binary, "origin") as origin, bench.sink(plane)(folder) as s3:
            make_bucket(s3, BUCKET)
            run = arm(load, Ends(origin=origin, s3=s3, folder=folder))
            stored = count_stored(plane, s3, BUCKET, load.size, f"{origin}/b/{load.size}/check")
    if stored != load.count:
        msg = f"plane {plane}: {stored} right objects were stored of {load.count}"
        raise RuntimeError(msg)
    return replace(run, count=load.count)


def relay_arm(load: Workload, ends: Ends, proxies: Sequence[str] = ()) -> Run:
    """GET and PUT with nothing between; one process per worker of the other arm."""
    words = [str(load.count // load.workers), str(load.size), str(load.in_flight_each)]
    command = [sys.executable, "-m", "tests.load.bench.relay", ends.origin, ends.s3, BUCKET]
    processes = [
        subprocess.Popen([*command, f"r{each}", *words, *proxies], stdout=subprocess.PIPE)
        for each in range(load.workers)
    ]
    answers = [json.loads(process.communicate(timeout=LIMIT_S)[0]) for process in processes]
    return Run(
        seconds=max(answer["seconds"] for answer in answers),
        cpu_s={"relay": sum(answer["cpu_s"] for answer in answers)},
    )


def service_arm(load: Workload, ends: Ends, settings: Mapping[str, str] | None = None) -> Run:
    """POST -> broker -> worker -> S3 -> ledger completed."""
    with running(
        ends.folder,
        ends.s3,
        workers=load.workers,
        in_flight=load.in_flight_each,
        settings=settings or {},
    ) as service:
        return drive(service, load.manifests(ends.origin))
