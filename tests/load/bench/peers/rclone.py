"""rclone copyurl --urls: the fastest single tool there is for this."""

from functools import partial
from pathlib import Path
from typing import Final

from tests.load.bench.arms import Arm, Ends, Workload
from tests.load.bench.peers.installing import go_program
from tests.load.bench.peers.running import spend
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
    urls = ends.folder / "urls.csv"
    urls.write_text("".join(f"{url},{n}\n" for n, url in enumerate(load.urls(ends.origin))))
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
    spent = spend(command, ends.folder, environment)
    return Run(seconds=spent.seconds, cpu_s={"rclone": spent.cpu_s})
