"""Scrapy's FilesPipeline into S3: the best known of the peers."""

import json
from functools import partial
from pathlib import Path
from typing import Final

from tests.load.bench.arms import Arm, Ends, Workload
from tests.load.bench.peers.installing import python_peers
from tests.load.bench.peers.running import spend
from tests.load.bench.service import BUCKET, Run
from tests.load.bench.setup import Bench

SPIDER: Final = Path(__file__).with_name("scrapy_spider.py")


def prepare(bench: Bench) -> Arm:
    """Install it; raises AbsentError."""
    return partial(_run, python_peers(bench.cache) / "python")


def _run(python: Path, load: Workload, ends: Ends) -> Run:
    """Run the spider; its start-up is left out of the time, as it says itself when it began."""
    urls = ends.folder / "urls.txt"
    urls.write_text("\n".join(load.urls(ends.origin)))
    command = [python, SPIDER, urls, ends.s3, BUCKET, str(load.in_flight)]
    told = json.loads(spend(command, ends.folder).output)
    return Run(seconds=told["seconds"], cpu_s={"scrapy": told["cpu_s"]})
