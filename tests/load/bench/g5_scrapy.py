"""G5: ahead of Scrapy's FilesPipeline."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tests.load.bench.arms import Workload
from tests.load.bench.peers import scrapy_pipeline
from tests.load.bench.peers.installing import pinned
from tests.load.bench.peers.peer import Peer, race
from tests.load.bench.score import Finding
from tests.load.bench.setup import Bench

GOAL: Final = "G5"


def measure(bench: Bench) -> Sequence[Finding]:
    """Measure on plane N."""
    load = Workload(jobs=bench.pick(trial=1, usual=10, full=20), workers=2)
    scrapy = Peer(
        name="Scrapy FilesPipeline",
        notes=f"{pinned('scrapy', 'botocore')}, a thread per request in flight, start-up left out",
        prepare=scrapy_pipeline.prepare,
        targets=(20.0, 28.0),
        count=bench.pick(trial=200, usual=2000, full=20_000),
    )
    return race(replace(bench, rounds=bench.few_rounds), GOAL, "N", load, [scrapy])


def expected_s(bench: Bench) -> float:
    """About 22 s a round with 2,000 for Scrapy."""
    return bench.pick(trial=15, usual=bench.few_rounds * 22, full=bench.rounds * 135)
