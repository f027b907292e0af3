"""G4: ahead of the best command lines, and without staging a byte on disk."""

from collections.abc import Mapping, Sequence
from typing import Final

from tests.load.bench.arms import Workload
from tests.load.bench.floor import AbsentError
from tests.load.bench.peers import aria2_s5cmd, rclone
from tests.load.bench.peers.installing import pinned
from tests.load.bench.peers.peer import Peer, Prepare, race
from tests.load.bench.peers.staging import compare_staging
from tests.load.bench.score import Absence, Finding
from tests.load.bench.setup import Bench

GOAL: Final = "G4"
#: On T the S3 is what keeps the cores busy, and one worker is enough for it.
WORKERS: Final = {"N": 2, "T": 1}
#: How many jobs of 1,000 make a round.
JOBS: Final = {"N": 10, "T": 5}
PEERS: Final[Mapping[str, tuple[Prepare, str]]] = {
    "rclone copyurl": (rclone.prepare, f"{rclone.VERSION}, {' '.join(rclone.TUNING)}"),
    "aria2c + s5cmd": (aria2_s5cmd.prepare, f"{pinned('s5cmd')}, staged on tmpfs"),
}
TARGETS: Final = {
    ("rclone copyurl", "N"): (2.0, 2.3),
    ("rclone copyurl", "T"): (1.2, 1.3),
    ("aria2c + s5cmd", "N"): (1.8, 2.1),
    ("aria2c + s5cmd", "T"): (1.1, 1.3),
}


def measure(bench: Bench) -> Sequence[Finding]:
    """Measure on every plane there is, and what is staged."""
    found = [each for plane in bench.planes for each in _raced(bench, plane)]
    try:
        found.append(compare_staging(bench, GOAL))
    except AbsentError as error:
        found.append(Absence(goal=GOAL, what=f"bytes staged: {error}"))
    return found


def _raced(bench: Bench, plane: str) -> Sequence[Finding]:
    jobs = bench.pick(trial=1, usual=JOBS[plane], full=20)
    load = Workload(jobs=jobs, workers=WORKERS[plane])
    peers = [
        Peer(
            name=name,
            notes=notes,
            prepare=prepare,
            targets=TARGETS[name, plane],
            count=bench.pick(trial=1000, usual=load.count, full=load.count),
        )
        for name, (prepare, notes) in PEERS.items()
    ]
    return race(bench, GOAL, plane, load, peers)


def expected_s(bench: Bench) -> float:
    """About 17 s a round on N, 12 s on T."""
    return bench.pick(trial=30, usual=10 + bench.rounds * 29, full=10 + bench.rounds * 75)
