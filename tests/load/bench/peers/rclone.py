"""rclone copyurl --urls: the fastest single tool there is for this.

It makes an HTTP client per URL, whose connection stays open for a minute after: a list longer than
the limit of open files fails. So a long one is given in pieces, one run after the other.
"""

import resource
from functools import partial
from pathlib import Path
from typing import Final

from tests.load.bench.arms import Arm, Ends, Workload
from tests.load.bench.peers.installing import go_program
from tests.load.bench.peers.running import Spent, spend
from tests.load.bench.service import BUCKET, Run
from tests.load.bench.setup import Bench

VERSION: Final = "v1.76.0"
#: Smaller buffers, unsigned payloads, no checksum of its own: tried, and no faster.
TUNING: Final = ("--s3-no-head", "--s3-no-check-bucket")
QUIET: Final = ("--stats", "0", "--log-level", "ERROR")


def prepare(bench: Bench) -> Arm:
    """Build it; raises AbsentError without Go or a network."""
    return partial(_run, go_program(bench.cache, "github.com/rclone/rclone", VERSION))


def _run(program: Path, load: Workload, ends: Ends) -> Run:
    lines = [f"{url},{number}\n" for number, url in enumerate(load.urls(ends.origin))]
    size = resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2
    pieces = ["".join(lines[first : first + size]) for first in range(0, len(lines), size)]
    spent = [_copied(program, piece, load, ends) for piece in pieces]
    return Run(
        seconds=sum(each.seconds for each in spent),
        cpu_s={"rclone": sum(each.cpu_s for each in spent)},
    )


def _copied(program: Path, piece: str, load: Workload, ends: Ends) -> Spent:
    urls = ends.folder / "urls.csv"
    urls.write_text(piece)
    remote = {
        "TYPE": "s3",
        "PROVIDER": "Minio",
        "ENDPOINT": ends.s3,
        "REGION": "us-east-1",
        "ENV_AUTH": "true",
    }
    environment = {f"RCLONE_CONFIG_BENCH_{name}": value for name, value in remote.items()}
    environment["RCLONE_CONFIG"] = str(ends.folder / "rclone.conf")
    command = [program, "copyurl", "--urls", urls, f"bench:{BUCKET}", *TUNING, *QUIET]
    command += ["--transfers", str(load.in_flight)]
    return spend(command, ends.folder, environment)
