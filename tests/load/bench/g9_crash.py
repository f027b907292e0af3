"""G9: a process that is killed half-way costs its restart and what it had read ahead; nothing else.

Worker and API are killed by SIGKILL when half of the URLs have been asked for, and started again.
Afterwards objects, ledger rows and GETs are counted. With FULL=1 also an Iggy server, where one is
at hand, and rclone, which begins its list again.
"""

import json
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from tests.load.bench.arms import Arm, Ends, Workload, on_fresh_ends
from tests.load.bench.floor import AbsentError
from tests.load.bench.iggy import iggy_server
from tests.load.bench.peers import rclone
from tests.load.bench.rounds import Round, interleave
from tests.load.bench.score import Absence, Finding, Score
from tests.load.bench.service import Run, Service, drive, running
from tests.load.bench.setup import Bench

GOAL: Final = "G9"
PLANE: Final = "N"
CALM: Final = "uninterrupted"
CRASHES: Final[Mapping[str, Callable[[Service], object]]] = {
    CALM: lambda _: None,
    "worker killed": Service.crash_worker,
    "API killed": Service.crash_api,
}
CALM_ON_IGGY: Final = "uninterrupted, Iggy"
BROKER: Final = "Iggy killed"
#: Of the time without the restart, by that of an uninterrupted run.
TIME: Final = 1.10
#: What a worker may have open, per download at once: four in each of eight partitions.
AHEAD: Final = 4 * 8
#: What rclone is given: its own repetition of the list does not depend on the size.
RCLONE_JOBS: Final = 6
#: How often the origin is asked whether half is done.
GLANCE_S: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Survived(Run):
    """A run after which everything was in its place; `gets` are those the origin saw."""

    restart_s: float
    gets: int

    @property
    def net_s(self) -> float:
        """The time without the restart."""
        return self.seconds - self.restart_s


def measure(bench: Bench) -> Sequence[Finding]:
    """Kill each in turn; a lost object or a wrong row is an error, not a figure."""
    load = Workload(
        jobs=bench.pick(trial=3, usual=20, full=50),
        per_job=bench.pick(trial=500, usual=1000, full=1000),
    )
    arms: dict[str, Arm] = {name: partial(_arm, crash) for name, crash in CRASHES.items()}
    rounds = _rounds(bench, load, arms, bench.few_rounds)
    notes = _rclone_again(bench, load) if bench.is_thorough else ""
    found: list[Finding] = []
    for name in list(CRASHES)[1:]:
        found += [_time_score(rounds, name, CALM, load, notes), _gets_score(rounds, name, load)]
        notes = ""
    if bench.is_thorough:
        return [*found, *_broker(bench, load)]
    return [*found, Absence(goal=GOAL, what="a broker killed, rclone run again: FULL=1")]


def expected_s(bench: Bench) -> float:
    """Three runs a round; with FULL=1 one pair on Iggy too."""
    return bench.pick(trial=40, usual=bench.few_rounds * 45, full=bench.rounds * 100 + 60)


def _broker(bench: Bench, load: Workload) -> list[Finding]:
    """Kill the broker's server; SQLite has none."""
    arms: dict[str, Arm] = {
        CALM_ON_IGGY: partial(_iggy_arm, is_killed=False),
        BROKER: partial(_iggy_arm, is_killed=True),
    }
    load = replace(load, jobs=max(load.jobs // 2, 1))
    try:
        rounds = _rounds(bench, load, arms, 1)
    except AbsentError as error:
        return [Absence(goal=GOAL, what=f"a broker killed, SQLite has none: {error}")]
    return [
        _time_score(rounds, BROKER, CALM_ON_IGGY, load, ""),
        _gets_score(rounds, BROKER, load),
    ]


def _rounds(bench: Bench, load: Workload, arms: Mapping[str, Arm], rounds: int) -> list[Round]:
    runners = {name: partial(on_fresh_ends, bench, PLANE, load, arm) for name, arm in arms.items()}
    return interleave(runners, rounds, GOAL)


def _rclone_again(bench: Bench, load: Workload) -> str:
    """Say what a tool without a ledger does: half of the list, then all of it once more."""
    try:
        copy = rclone.prepare(bench)
    except AbsentError:
        return ""

    def both(load: Workload, ends: Ends) -> Run:
        half = copy(replace(load, jobs=load.jobs // 2), ends)
        whole = copy(load, ends)
        gets = _gets(ends.origin)
        print(f"  {GOAL} rclone run again: {gets} GETs", flush=True)
        return Run(seconds=(half.seconds + whole.seconds) / whole.seconds, cpu_s={})

    load = replace(load, jobs=min(load.jobs, RCLONE_JOBS))
    try:
        again = on_fresh_ends(bench, PLANE, load, both)
    except RuntimeError as error:
        print(f"  {GOAL} rclone: {error}", flush=True)
        return "rclone broke when run again"
    return f"rclone killed half-way and run again takes {again.seconds:.2f} times as long"


# Arms.


def _arm(
    crash: Callable[[Service], object],
    load: Workload,
    ends: Ends,
    settings: Mapping[str, str] | None = None,
) -> Survived:
    took: list[float] = []

    def crash_half_way() -> None:
        while _gets(ends.origin) < load.count // 2:
            time.sleep(GLANCE_S)
        began = time.perf_counter()
        crash(service)
        took.append(time.perf_counter() - began)

    with running(
        ends.folder, ends.s3, in_flight=load.in_flight, settings=settings or {}
    ) as service:
        run = drive(service, load.manifests(ends.origin), crash_half_way)
        if faults := ledger_faults(_export(service.url), load.jobs, load.per_job):
            raise RuntimeError(f"{len(faults)} wrong rows in the ledger, the first: {faults[0]}")
    return Survived(seconds=run.seconds, cpu_s={}, restart_s=took[0], gets=_gets(ends.origin))


def _iggy_arm(load: Workload, ends: Ends, *, is_killed: bool) -> Survived:
    with iggy_server(ends.folder) as server:
        return _arm(lambda _: server.crash() if is_killed else None, load, ends, server.settings)


def _gets(origin: str) -> int:
    with urllib.request.urlopen(f"{origin}/stats") as response:  # noqa: S310  # an address of our own
        return int(json.load(response)["requests"])


def _export(url: str) -> Iterable[Mapping[str, Any]]:
    with urllib.request.urlopen(f"{url}/operators/ledger/export") as response:  # noqa: S310  # as above
        return [json.loads(line) for line in response]


def ledger_faults(jobs: Iterable[Mapping[str, Any]], count: int, per_job: int) -> list[str]:
    """Say what is wrong with the ledger after a run of `count` jobs."""
    faults = []
    found = list(jobs)
    if len(found) != count:
        faults.append(f"{len(found)} jobs, not {count}")
    for job in found:
        stored = {row["resource_id"] for row in job["resources"] if row["state"] == "completed"}
        figures = (job["status"], job["resource_total"], job["resource_completed"], len(stored))
        if figures != ("completed", per_job, per_job, per_job) or job["resource_failed"]:
            faults.append(f"{job['job_id']}: {figures}, {job['resource_failed']} failed")
    return faults


# Scores.


def _time_score(
    rounds: Sequence[Mapping[str, Any]], arm: str, calm: str, load: Workload, notes: str
) -> Score:
    restart_s = statistics.median(each[arm].restart_s for each in rounds)
    restart = f"restart of {restart_s:.1f} s not counted"
    return Score.of_rounds(
        [each[arm].net_s for each in rounds],
        [each[calm].net_s for each in rounds],
        goal=GOAL,
        workload=f"{load}, {arm}",
        plane=PLANE,
        target=TIME,
        unit=" s",
        against=calm,
        better="lower",
        notes="; ".join(filter(None, (restart, notes))),
    )


def _gets_score(rounds: Sequence[Mapping[str, Any]], arm: str, load: Workload) -> Score:
    """Score what was asked for again; the worst round counts."""
    repeated = max(each[arm].gets for each in rounds) - load.count
    allowed = AHEAD * load.in_flight
    return Score(
        goal=GOAL,
        workload=f"GETs repeated, {arm}",
        plane=PLANE,
        ours=repeated,
        reference=allowed,
        ratio=repeated / allowed,
        low95=repeated / allowed,
        high95=repeated / allowed,
        target=1.0,
        unit="",
        against="read-ahead window",
        better="lower",
        notes="0 objects lost, 0 wrong rows",
    )
