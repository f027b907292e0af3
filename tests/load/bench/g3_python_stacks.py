"""G3: ahead of what a Python team would write, a task queue with redis and a client for S3."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from tests.load.bench.arms import Workload
from tests.load.bench.peers import taskiq_worker
from tests.load.bench.peers.installing import pinned
from tests.load.bench.peers.peer import Peer, race
from tests.load.bench.score import Finding
from tests.load.bench.setup import Bench

GOAL: Final = "G3"
NOTES: Final = "2 processes, Redis list without persistence"


def measure(bench: Bench) -> Sequence[Finding]:
    """Measure on plane N, two processes on either side."""
    load = Workload(jobs=bench.pick(trial=1, usual=10, full=20), workers=2)
    count = bench.pick(trial=300, usual=2000, full=20_000)
    peers = [
        Peer(
            name="taskiq + aiobotocore",
            notes=f"{pinned('taskiq', 'aiobotocore')}, {NOTES}",
            prepare=partial(taskiq_worker.prepare, "aiobotocore"),
            targets=(5.0, 6.0),
            count=count,
        ),
        Peer(
            name="taskiq + obstore",
            notes=f"{pinned('taskiq', 'obstore')}, {NOTES}",
            prepare=partial(taskiq_worker.prepare, "obstore"),
            targets=(2.5, 3.3),
            count=count,
        ),
    ]
    return race(bench, GOAL, "N", load, peers)


def expected_s(bench: Bench) -> float:
    """About 17 s a round with short lists for the peers."""
    return bench.pick(trial=25, usual=bench.rounds * 17, full=bench.rounds * 65)
