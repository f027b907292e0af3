"""How many bytes lie on disk on their way: of every byte of a body, ours and aria2c's."""

import os
import re
import tempfile
from pathlib import Path
from typing import Final

from tests.load.bench.arms import Ends, Workload
from tests.load.bench.floor import AbsentError, floor
from tests.load.bench.objects import make_bucket
from tests.load.bench.peers import aria2_s5cmd
from tests.load.bench.score import Score
from tests.load.bench.service import BUCKET, drive, manifest_of, running
from tests.load.bench.setup import Bench

#: Bodies that stay whole in memory, and ten times larger ones.
SMALL: Final = Workload(jobs=1, per_job=1000, size=20_480)
LARGE: Final = Workload(jobs=1, per_job=1000, size=204_800)
#: Both databases grow by what differs in the length of an URL, and by chance.
NOTHING: Final = 0.01


def compare_staging(bench: Bench, goal: str) -> Score:
    """Return what FetchBox writes to disk per byte of a body, beside what aria2c stages."""
    with (
        tempfile.TemporaryDirectory(prefix="fetchbox-bench-", dir=bench.cache) as name,
        floor(bench.binary, "origin") as origin,
        floor(bench.binary, "sink") as s3,
    ):
        make_bucket(s3, BUCKET)
        ends = Ends(origin=origin, s3=s3, folder=Path(name))
        staged = _staged_by_aria2(ends)
        ours = max(0.0, _written_per_byte(ends))
    return Score(
        goal=goal,
        workload=f"{SMALL.count:,} x 20 KiB, then {LARGE.count:,} x 200 KiB",
        plane="N",
        ours=ours,
        reference=staged,
        ratio=ours / staged,
        low95=ours / staged,
        high95=ours / staged,
        target=NOTHING,
        stretch=NOTHING,
        unit="B/B",
        against="aria2c + s5cmd",
        better="lower",
        notes="bytes written to disk per byte of body, the databases' rows taken out",
    )


def _written_per_byte(ends: Ends) -> float:
    """Return what larger bodies add to the bytes that API and worker write to disk.

    The rows of the databases are the same for both sizes, so that only bodies remain.
    """
    written: list[int] = []
    with running(ends.folder, ends.s3) as service:
        pids = [service.api.pid, *(worker.pid for worker in service.workers)]
        for load in (SMALL, SMALL, LARGE):  # the first run warms up what is written once
            urls = {str(number): url for number, url in enumerate(load.urls(ends.origin))}
            before = sum(map(_written_by, pids))
            drive(service, [manifest_of(urls)])
            written.append(sum(map(_written_by, pids)) - before)
    if not any(written):
        raise AbsentError(f"{ends.folder.parent} is not on a disk, put the repository on one")
    return (written[2] - written[1]) / (LARGE.count * (LARGE.size - SMALL.size))


def _written_by(pid: int) -> int:
    """Return the bytes a process made the kernel write to disks so far."""
    found = re.search(r"^write_bytes: (\d+)$", Path(f"/proc/{pid}/io").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def _staged_by_aria2(ends: Ends) -> float:
    """Return the bytes in aria2c's folder per byte it fetched."""
    with tempfile.TemporaryDirectory(dir=ends.folder) as staged:
        aria2_s5cmd.fetch(aria2_s5cmd.find(), SMALL, ends, Path(staged))
        lying = sum(entry.stat().st_size for entry in os.scandir(staged))
    return lying / (SMALL.count * SMALL.size)
