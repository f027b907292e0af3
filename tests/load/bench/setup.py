"""What a benchmark may count on: the program at both ends, the planes, and how deep to measure."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.load.bench.floor import AbsentError, build_floor, floor, minio

CACHE: Final = Path(".cache/bench")
TMPFS: Final = Path("/dev/shm")  # no disk in the figures
PLANES: Final = {"N": "null S3 sink", "T": "MinIO on tmpfs"}
NO_MINIO: Final = "plane T: put minio on PATH, or name the program in FETCHBOX_BENCH_MINIO"

#: Starts an S3 on (if it needs one) a folder and yields its base URL.
Sink = Callable[[Path], AbstractContextManager[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One run of the benchmark, as every goal is told of it."""

    #: Origin and null S3: tests/load/floor, built.
    binary: Path
    #: The planes this machine can measure, by letter.
    planes: Mapping[str, Sink]
    #: Everything at full size, however long that takes.
    full: bool
    #: How many interleaved rounds.
    rounds: int
    #: Where a goal may build and keep what it needs.
    cache: Path
    #: Only see that everything works, in seconds: the figures say nothing and are not published.
    trial: bool = False

    def pick(self, *, trial: int, usual: int, full: int) -> int:
        """Return the size that fits this run."""
        if self.trial:
            return trial
        return full if self.full else usual

    @property
    def is_thorough(self) -> bool:
        """Whether what a usual run has no time for is done: measured in full, or tried."""
        return self.full or self.trial

    @property
    def few_rounds(self) -> int:
        """Rounds of a goal with long ones: in a usual run not more than two."""
        return self.rounds if self.is_thorough else min(self.rounds, 2)

    def sink(self, plane: str) -> Sink:
        """Return the S3 of a plane; raises AbsentError where this machine has none."""
        if plane not in self.planes:
            raise AbsentError(NO_MINIO)
        return self.planes[plane]


def set_up(*, full: bool, rounds: int, trial: bool) -> Bench:
    """Build the program and look for the planes; raises AbsentError without a Go toolchain."""
    binary = build_floor(CACHE)
    return Bench(
        binary=binary,
        planes=_planes(binary),
        full=full,
        rounds=rounds,
        cache=CACHE.resolve(),
        trial=trial,
    )


def _planes(binary: Path) -> dict[str, Sink]:
    @contextmanager
    def null_sink(_folder: Path) -> Iterator[str]:
        with floor(binary, "sink") as url:
            yield url

    program = shutil.which("minio") or os.environ.get("FETCHBOX_BENCH_MINIO")
    if program is None:
        return {"N": null_sink}

    @contextmanager
    def real_minio(_folder: Path) -> Iterator[str]:
        with (
            tempfile.TemporaryDirectory(prefix="fetchbox-bench-", dir=TMPFS) as data,
            minio(Path(program), Path(data)) as url,
        ):
            yield url

    return {"N": null_sink, "T": real_minio}
