"""G1: the whole path against the raw relay of the same libraries, one process each.

Where FETCHBOX_TEST_IGGY names a server, the service also runs once on Iggy.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from tests.load.bench.arms import Arm, Ends, Workload, on_fresh_ends, relay_arm, service_arm
from tests.load.bench.rounds import interleave, score_rounds
from tests.load.bench.score import Absence, Finding
from tests.load.bench.service import Run
from tests.load.bench.setup import Bench

GOAL: Final = "G1"
#: Target and stretch target.
TARGETS: Final = {"N": (0.75, 0.85), "T": (0.80, 1.0)}
NO_IGGY: Final = "the path on Iggy: set FETCHBOX_TEST_IGGY=user:password@host:port"


def measure(bench: Bench) -> Sequence[Finding]:
    """Measure on every plane there is, and on Iggy where one is at hand."""
    jobs = bench.pick(trial=1, usual=20, full=50)
    load = Workload(jobs=jobs, per_job=bench.pick(trial=300, usual=1000, full=1000))
    arms: dict[str, Arm] = {"fetchbox": service_arm, "relay": relay_arm}
    found: list[Finding] = [
        _compared(bench, plane, load, arms, rounds=bench.rounds) for plane in bench.planes
    ]
    address = os.environ.get("FETCHBOX_TEST_IGGY")
    if not address:
        return [*found, Absence(goal=GOAL, what=NO_IGGY)]
    on_iggy: dict[str, Arm] = {"fetchbox": partial(_iggy_arm, address), "relay": relay_arm}
    fewer = replace(load, jobs=min(jobs, 5))
    return [*found, _compared(bench, "N", fewer, on_iggy, rounds=1, notes="broker: Iggy")]


def expected_s(bench: Bench) -> float:
    """About 20 s a round on N, 35 s on T, as measured on two cores."""
    return bench.pick(trial=30, usual=bench.rounds * 55, full=bench.rounds * 140)


def _compared(
    bench: Bench,
    plane: str,
    load: Workload,
    arms: dict[str, Arm],
    *,
    rounds: int,
    notes: str = "broker: SQLite",
) -> Finding:
    runners = {name: partial(on_fresh_ends, bench, plane, load, arm) for name, arm in arms.items()}
    return score_rounds(
        interleave(runners, rounds, f"{GOAL} {plane}"),
        "relay",
        goal=GOAL,
        workload=str(load),
        plane=plane,
        targets=TARGETS[plane],
        notes=notes,
    )


def _iggy_arm(address: str, load: Workload, ends: Ends) -> Run:
    """Run the service on a stream of its own."""
    credentials, _, endpoint = address.rpartition("@")
    user, _, password = credentials.partition(":")
    return service_arm(
        load,
        ends,
        {
            "FETCHBOX__BROKER__PROVIDER": "iggy",
            "FETCHBOX__BROKER__AUTO_PROVISION": "true",
            "FETCHBOX__IGGY__ENDPOINT": f"iggy://{endpoint}",
            "FETCHBOX__IGGY__CLIENT_ID": user,
            "FETCHBOX__IGGY__CLIENT_SECRET": password,
            "FETCHBOX__IGGY__STREAM": f"bench-{time.time_ns()}",
        },
    )
