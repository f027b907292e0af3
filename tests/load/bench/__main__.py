"""`make bench`: the whole path against the raw relay, interleaved in one run.

Writes artifacts/bench/bench.json and prints a table; `--help` lists what can be changed.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tests.load.bench.floor import AbsentError, build_floor, floor, minio
from tests.load.bench.objects import count_stored, make_bucket
from tests.load.bench.score import Score, median_interval
from tests.load.bench.service import BUCKET, Run, drive, manifest_of, running

CACHE: Final = Path(".cache/bench")
OUT: Final = Path("artifacts/bench/bench.json")
TARGETS: Final = {"N": 0.60, "T": 0.65}
TMPFS: Final = "/dev/shm"  # on purpose: no disk in the figures
PLANES: Final = {"N": "null S3 sink", "T": "MinIO on tmpfs"}

Sink = Callable[[Path], AbstractContextManager[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What every arm copies: `jobs` manifests of `per_job` bodies of `size` bytes."""

    jobs: int
    per_job: int
    size: int
    in_flight: int
    workers: int

    @property
    def count(self) -> int:
        """How many resources that are."""
        return self.jobs * self.per_job

    def __str__(self) -> str:
        return (
            f"{self.jobs} jobs x {self.per_job} x {self.size} B, {self.in_flight} in flight,"
            f" {self.workers} process(es)"
        )


def relay_arm(load: Workload, origin: str, s3: str, _folder: Path) -> Run:
    """GET and PUT with nothing between; one process per worker of the other arm."""
    share = load.count // load.workers
    words = [str(share), str(load.size), str(load.in_flight)]
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.load.bench.relay",
                origin,
                s3,
                BUCKET,
                f"r{each}",
                *words,
            ],
            stdout=subprocess.PIPE,
        )
        for each in range(load.workers)
    ]
    answers = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
    return Run(
        seconds=max(answer["seconds"] for answer in answers),
        cpu_s={"relay": sum(answer["cpu_s"] for answer in answers)},
    )


def service_arm(load: Workload, origin: str, s3: str, folder: Path) -> Run:
    """POST -> broker -> worker -> S3 -> ledger completed."""
    manifests = [
        manifest_of(
            {
                f"{number}": f"{origin}/b/{load.size}/{job}/{number}"
                for number in range(load.per_job)
            }
        )
        for job in range(load.jobs)
    ]
    with running(folder, s3, workers=load.workers, in_flight=load.in_flight) as service:
        return drive(service, manifests)


ARMS: Final = {"relay": relay_arm, "fetchbox": service_arm}


def measure(load: Workload, plane: str, arm: str, binary: Path, sink: Sink) -> Run:
    """Run one arm on fresh ends, then check outside the timed span that every object is there."""
    with tempfile.TemporaryDirectory(prefix="fetchbox-bench-") as name:
        folder = Path(name)
        with floor(binary, "origin") as origin, sink(folder) as s3:
            make_bucket(s3, BUCKET)
            run = ARMS[arm](load, origin, s3, folder)
            stored = count_stored(plane, s3, BUCKET, load.size, f"{origin}/b/{load.size}/check")
    if stored != load.count:
        msg = f"{arm} on plane {plane} stored {stored} right objects of {load.count}"
        raise RuntimeError(msg)
    return run


def score_plane(load: Workload, plane: str, binary: Path, sink: Sink, rounds: int) -> Score:
    """Interleave the arms (AB, BA, ...) and score the ratios of their rounds."""
    runs: dict[str, list[Run]] = {arm: [] for arm in ARMS}
    for number in range(rounds):
        for arm in list(ARMS)[:: 1 if number % 2 == 0 else -1]:
            run = measure(load, plane, arm, binary, sink)
            runs[arm].append(run)
            print(f"  {plane} round {number + 1}: {_line(arm, run, load.count)}", flush=True)
    speeds = {arm: [load.count / run.seconds for run in runs[arm]] for arm in ARMS}
    pairs = zip(speeds["fetchbox"], speeds["relay"], strict=True)
    ratio, low95 = median_interval([ours / reference for ours, reference in pairs])
    return Score(
        goal="G1",
        workload=str(load),
        plane=plane,
        ours=statistics.median(speeds["fetchbox"]),
        reference=statistics.median(speeds["relay"]),
        ratio=ratio,
        low95=low95,
        target=TARGETS[plane],
    )


def _line(arm: str, run: Run, count: int) -> str:
    shares = ", ".join(f"{role} {used / count * 1e6:.0f}" for role, used in run.cpu_s.items())
    return f"{arm:9}{count / run.seconds:7.0f}/s   CPU us/resource: {shares}"


def sinks(binary: Path) -> Mapping[str, Sink]:
    """Return the planes this machine can measure; say which it cannot."""

    @contextmanager
    def null_sink(_folder: Path) -> Iterator[str]:
        with floor(binary, "sink") as url:
            yield url

    found: dict[str, Sink] = {"N": null_sink}
    program = shutil.which("minio") or os.environ.get("FETCHBOX_BENCH_MINIO")
    if program is None:
        print("plane T is absent: no minio on PATH (or in FETCHBOX_BENCH_MINIO)")
        return found

    @contextmanager
    def real_minio(_folder: Path) -> Iterator[str]:
        with (
            tempfile.TemporaryDirectory(
                prefix="fetchbox-bench-", dir="/dev/shm"
            ) as data,  # a tmpfs on purpose
            minio(Path(program), Path(data)) as url,
        ):
            yield url

    return found | {"T": real_minio}


def facts() -> dict[str, str]:
    """Tell what the figures were measured on."""
    return {
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def main() -> int:
    """Measure, print, write; exit 1 when a target is missed, 3 when nothing can be measured."""
    parser = argparse.ArgumentParser(prog="make bench")
    for name, default in {
        "rounds": 5, "jobs": 20, "per-job": 1000, "size": 20_480, "in-flight": 64, "workers": 1
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    load = Workload(
        jobs=given.jobs,
        per_job=given.per_job,
        size=given.size,
        in_flight=given.in_flight,
        workers=given.workers,
    )
    print(f"{load}; {facts()}")
    try:
        binary = build_floor(CACHE)
    except AbsentError as error:
        print(f"cannot measure: {error}")
        return 3
    planes = sinks(binary)
    scores = [score_plane(load, name, binary, sink, given.rounds) for name, sink in planes.items()]
    report(scores)
    return 0 if all(score.met for score in scores) else 1


def report(scores: list[Score]) -> None:
    """Print the table and write it for programs."""
    OUT.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(score) | {"met": score.met} for score in scores]
    OUT.write_text(json.dumps({"machine": facts(), "goals": rows}, indent=2) + "\n")
    print(
        f"\n{'goal':5}{'plane':17}{'ours/s':>8}{'relay/s':>9}{'ratio':>7}{'low95':>7}{'target':>8}"
    )
    for each in scores:
        verdict = "met" if each.met else "MISSED"
        print(
            f"{each.goal:5}{PLANES[each.plane]:17}{each.ours:8.0f}{each.reference:9.0f}"
            f"{each.ratio:7.2f}{each.low95:7.2f}{each.target:8.2f}  {verdict}"
        )
    print(f"written to {OUT}")


if __name__ == "__main__":
    sys.exit(main())
