"""G1: the whole path against the raw relay of the same libraries, one process each.

Once also on Iggy, where FETCHBOX_TEST_IGGY names a server or there is a program to start one.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from tests.load.bench.arms import Arm, Ends, Workload, on_fresh_ends, relay_arm, service_arm
from tests.load.bench.floor import AbsentError
from tests.load.bench.iggy import iggy_server
from tests.load.bench.rounds import interleave, score_rounds
from tests.load.bench.score import Absence, Finding
from tests.load.bench.service import Run, cpu_seconds
from tests.load.bench.setup import Bench

GOAL: Final = "G1"
#: Target and stretch target.
TARGETS: Final = {"N": (0.75, 0.85), "T": (0.80, 1.0)}
#: How many jobs of 1,000 make a round: on T, where all is slower, fewer.
JOBS: Final = {"N": 20, "T": 5}
#: And on Iggy, which is slower still.
JOBS_ON_IGGY: Final = 5


def measure(bench: Bench) -> Sequence[Finding]:
    """Measure on every plane there is, and on Iggy where one is at hand."""
    per_job = bench.pick(trial=300, usual=1000, full=1000)
    loads = {
        plane: Workload(jobs=bench.pick(trial=1, usual=usual, full=50), per_job=per_job)
        for plane, usual in JOBS.items()
    }
    found: list[Finding] = [
        _compared(bench, plane, loads[plane], ("fetchbox", service_arm), bench.rounds)
        for plane in bench.planes
    ]
    fewer = replace(loads["N"], jobs=bench.pick(trial=1, usual=JOBS_ON_IGGY, full=50))
    try:
        found.append(_compared(bench, "N", fewer, ("fetchbox on Iggy", iggy_arm), 1))
    except AbsentError as error:
        found.append(Absence(goal=GOAL, what=f"the path on Iggy: {error}"))
    return found


def expected_s(bench: Bench) -> float:
    """About 15 s a round on N, 8 s on T."""
    return bench.pick(trial=20, usual=15 + bench.rounds * 23, full=75 + bench.rounds * 110)


def _compared(
    bench: Bench, plane: str, load: Workload, ours: tuple[str, Arm], rounds: int
) -> Finding:
    arms = {ours[0]: ours[1], "relay": relay_arm}
    runs = {name: partial(on_fresh_ends, bench, plane, load, each) for name, each in arms.items()}
    return score_rounds(
        interleave(runs, rounds, f"{GOAL} {plane}"),
        "relay",
        goal=GOAL,
        workload=str(load),
        plane=plane,
        targets=TARGETS[plane],
        ours=ours[0],
        notes=f"{ours[0]}, rounds: {rounds}",
    )


def iggy_arm(load: Workload, ends: Ends) -> Run:
    """Run the service on a stream of its own; raises AbsentError where there is no Iggy."""
    if address := os.environ.get("FETCHBOX_TEST_IGGY"):
        return service_arm(load, ends, _settings_of(address))
    with iggy_server(ends.folder) as server:
        before = cpu_seconds(server.process.pid)
        run = service_arm(load, ends, server.settings)
        used = cpu_seconds(server.process.pid) - before
    return replace(run, cpu_s={**run.cpu_s, "iggy": used})


def _settings_of(address: str) -> dict[str, str]:
    """Return what FetchBox is told of the server at user:password@host:port."""
    credentials, _, endpoint = address.rpartition("@")
    user, _, password = credentials.partition(":")
    return {
        "FETCHBOX__BROKER__PROVIDER": "iggy",
        "FETCHBOX__BROKER__AUTO_PROVISION": "true",
        "FETCHBOX__IGGY__ENDPOINT": f"iggy://{endpoint}",
        "FETCHBOX__IGGY__CLIENT_ID": user,
        "FETCHBOX__IGGY__CLIENT_SECRET": password,
        "FETCHBOX__IGGY__STREAM": f"bench-{time.time_ns()}",
    }
