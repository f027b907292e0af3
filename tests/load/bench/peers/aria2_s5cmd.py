"""aria2c into a folder on tmpfs, then s5cmd into the bucket: what the shell offers."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Final

from tests.load.bench.arms import Arm, Ends, Workload
from tests.load.bench.peers.installing import program_on_path, python_peers
from tests.load.bench.peers.running import Spent, spend
from tests.load.bench.service import BUCKET, Run
from tests.load.bench.setup import TMPFS, Bench

QUIET: Final = (
    *("--quiet=true", "--summary-interval=0", "--download-result=hide", "--no-conf=true"),
    *("--file-allocation=none", "--split=1", "--enable-color=false"),
)


def prepare(bench: Bench) -> Arm:
    """Find the one, install the other; raises AbsentError."""
    return partial(_run, find(), python_peers(bench.cache) / "s5cmd")


def find() -> Path:
    """Return aria2c; raises AbsentError."""
    return program_on_path("aria2c", "aria2")


def fetch(aria2: Path, load: Workload, ends: Ends, staged: Path) -> Spent:
    """Fetch everything into a folder."""
    urls = ends.folder / "urls.txt"
    urls.write_text("".join(f"{url}\n out={n}\n" for n, url in enumerate(load.urls(ends.origin))))
    at_once = str(load.in_flight)
    command = [aria2, f"--input-file={urls}", f"--dir={staged}", "-j", at_once, *QUIET]
    return spend(command, ends.folder)


def _run(aria2: Path, s5cmd: Path, load: Workload, ends: Ends) -> Run:
    at_once = str(load.in_flight)
    with tempfile.TemporaryDirectory(prefix="fetchbox-bench-", dir=TMPFS) as staged:
        fetched = fetch(aria2, load, ends, Path(staged))
        store = [s5cmd, "--endpoint-url", ends.s3, "--log", "error", "--numworkers", at_once]
        stored = spend([*store, "cp", f"{staged}/*", f"s3://{BUCKET}/"], ends.folder)
    return Run(
        seconds=fetched.seconds + stored.seconds,
        cpu_s={"aria2c": fetched.cpu_s, "s5cmd": stored.cpu_s},
    )
