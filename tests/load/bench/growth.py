"""Growth: a service that has a thousand times as much to remember is as fast as an empty one.

Queues of 10^3 to 10^5 tasks (FULL=1: 10^6) that are kept at their depth, with a tenth as many jobs
in the ledger; and one to four worker processes. The curves go to artifacts/bench/growth.json.
"""

import asyncio
import json
import os
import random
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.load.bench.floor import floor
from tests.load.bench.lines import Curve, line_chart
from tests.load.bench.objects import make_bucket
from tests.load.bench.score import Finding, Score
from tests.load.bench.seeding import PER_JOB, keep_depth, seed
from tests.load.bench.service import BUCKET, Service, manifest_of, running
from tests.load.bench.setup import Bench

GOAL: Final = "growth"
PLANE: Final = "N"
DATA: Final = Path("artifacts/bench/growth.json")
#: How far the largest may be off the smallest.
WITHIN: Final = 0.15
SIZE: Final = 20_480
WORKERS: Final = (1, 2, 4)
#: The queue behind which workers are compared.
DEEP: Final = 100_000
HEADERS: Final = {"Content-Type": "application/json", "X-Fetchbox-Job-Type": "default"}
#: What is measured at every depth: unit, and which way is good.
METRICS: Final[Mapping[str, tuple[str, str]]] = {
    "throughput": ("/s", "higher"),
    "accept": (" ms", "lower"),
    "list": (" ms", "lower"),
    "snapshot": (" ms", "lower"),
}
#: Throughput is taken over so many seconds, after so many in which the worker gets going.
SPAN_S: Final = 5.0
WARM_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A seeded folder, its ends, and the jobs in its ledger."""

    folder: Path
    origin: str
    s3: str
    depth: int
    job_ids: Sequence[str]

    @property
    def url(self) -> str:
        """What the paths of all bodies begin with."""
        return f"{self.origin}/b/{SIZE}"


Figures = Mapping[str, float]


def measure(bench: Bench) -> Sequence[Finding]:
    """Seed every depth once, then measure all of them in turns."""
    depths = [10**power for power in range(3, bench.pick(trial=4, usual=5, full=6) + 1)]
    requests = bench.pick(trial=20, usual=200, full=500)
    with ExitStack() as stack:
        origin = stack.enter_context(floor(bench.binary, "origin"))
        s3 = stack.enter_context(floor(bench.binary, "sink"))
        make_bucket(s3, BUCKET)
        sites = [_seeded(stack, origin, s3, depth) for depth in depths]
        os.sync()  # or the disk would be busy with them during the first round
        rounds: dict[int, list[Figures]] = {depth: [] for depth in depths}
        for number in range(bench.few_rounds):
            for site in sites[:: 1 if number % 2 == 0 else -1]:
                rounds[site.depth].append(_round(site, requests))
                print(f"  {GOAL} {site.depth:9,} {_shown(rounds[site.depth][-1])}", flush=True)
        deep = min(sites, key=lambda site: abs(site.depth - DEEP))
        speeds = {count: _speed(deep, count) for count in WORKERS}
    for count, speed in speeds.items():
        print(f"  {GOAL} {count} worker(s): {speed:.0f}/s", flush=True)
    if not bench.trial:
        _write(rounds, speeds)
    return [*_scores(rounds), *_worker_scores(speeds, deep.depth)]


def expected_s(bench: Bench) -> float:
    """Seeding and workers, then a start and some seconds per depth and round."""
    return bench.pick(trial=60, usual=40 + bench.few_rounds * 33, full=90 + bench.rounds * 60)


def charts(_scores: Sequence[Score]) -> Mapping[str, str]:
    """Draw the curves of the last run on this machine."""
    if not DATA.exists():
        return {}
    document = json.loads(DATA.read_text())
    by_depth, by_workers = document["by_depth"], document["by_workers"]
    smallest = by_depth[0]
    curves = [
        Curve(name=name, points=[(row["depth"], row[name] / smallest[name]) for row in by_depth])
        for name in METRICS
    ]
    speeds = [(row["workers"], row["throughput"]) for row in by_workers]
    return {
        "growth-depth": line_chart(
            "Against a queue of 1,000 tasks and a ledger of 100 jobs (1 = alike)",
            curves,
            across="queued tasks; jobs in the ledger: a tenth",
            is_logarithmic=True,
        ),
        "growth-workers": line_chart(
            "Objects per second by worker processes, all on the same cores",
            [Curve(name="throughput", points=speeds)],
            across="worker processes",
        ),
    }


# Measuring.


def _seeded(stack: ExitStack, origin: str, s3: str, depth: int) -> Site:
    name = stack.enter_context(tempfile.TemporaryDirectory(prefix="fetchbox-bench-"))
    began = time.perf_counter()
    job_ids = asyncio.run(seed(Path(name), jobs=depth // PER_JOB, url=f"{origin}/b/{SIZE}"))
    print(f"  {GOAL} seeded {depth:,} in {time.perf_counter() - began:.1f} s", flush=True)
    return Site(folder=Path(name), origin=origin, s3=s3, depth=depth, job_ids=job_ids)


def _round(site: Site, requests: int) -> Figures:
    """Measure the API while no worker runs, then a worker."""
    with running(site.folder, site.s3, workers=0) as service:
        latencies = asyncio.run(_latencies(service.url, site, requests))
        return {"throughput": _throughput(service, site, 1), **latencies}


def _speed(site: Site, workers: int) -> float:
    with running(site.folder, site.s3, workers=0) as service:
        return _throughput(service, site, workers)


def _throughput(service: Service, site: Site, workers: int) -> float:
    """Return how many objects a second are stored while the queue is kept at its depth."""
    for _ in range(workers):
        service.workers.append(service.start("worker"))
    return asyncio.run(_stored_per_s(site))


async def _stored_per_s(site: Site) -> float:
    keeping = asyncio.create_task(keep_depth(site.folder, site.depth, site.url))
    await asyncio.sleep(WARM_S)
    first, began = _stored(site.s3), time.perf_counter()
    await asyncio.sleep(SPAN_S)
    stored, took = _stored(site.s3) - first, time.perf_counter() - began
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    return stored / took


def _stored(s3: str) -> int:
    with urllib.request.urlopen(f"{s3}/stats") as response:  # noqa: S310  # an address of our own
        return int(json.load(response)["requests"])


async def _latencies(url: str, site: Site, requests: int) -> Figures:
    """Return medians in milliseconds, of one request after the other; the kinds take turns."""
    chance = random.Random(1)  # noqa: S311  # a choice of jobs, no secret
    body = manifest_of({str(n): f"{site.url}/posted/{n}" for n in range(PER_JOB)})
    took: dict[str, list[float]] = {"accept": [], "list": [], "snapshot": []}
    async with aiohttp.ClientSession(url, raise_for_status=True) as session:
        for _ in range(requests):
            job_id = chance.choice(site.job_ids)
            asked = {
                "accept": session.post("/jobs", data=body, headers=HEADERS),
                "list": session.get("/operators/jobs"),
                "snapshot": session.get(f"/operators/jobs/{job_id}"),
            }
            for name, request in asked.items():
                began = time.perf_counter()
                async with request as response:
                    await response.read()
                took[name].append((time.perf_counter() - began) * 1000)
    return {name: statistics.median(times) for name, times in took.items()}


def _shown(figures: Figures) -> str:
    return "  ".join(f"{name} {value:.4g}{METRICS[name][0]}" for name, value in figures.items())


# Scores.

Rounds = Mapping[int, Sequence[Figures]]


def _scores(rounds: Rounds) -> list[Score]:
    """Compare every depth with the smallest, round by round."""
    smallest, *others = rounds
    return [
        _score(rounds, name, depth, smallest, target=depth == others[-1])
        for name in METRICS
        for depth in others
    ]


def _score(rounds: Rounds, name: str, depth: int, smallest: int, *, target: bool) -> Score:
    unit, better = METRICS[name]
    values = [each[name] for each in rounds[depth]]
    small = [each[name] for each in rounds[smallest]]
    allowed = 1 - WITHIN if better == "higher" else 1 + WITHIN
    return Score.of_rounds(
        values,
        small,
        goal=GOAL,
        workload=f"{name}, {depth:,} tasks queued, {depth // PER_JOB:,} jobs",
        plane=PLANE,
        target=allowed if target else None,
        unit=unit,
        against=f"{smallest:,} tasks, {smallest // PER_JOB:,} jobs",
        better="higher" if better == "higher" else "lower",
    )


def _worker_scores(speeds: Mapping[int, float], depth: int) -> list[Score]:
    """Tell what more processes bring; how much there is to gain is up to the cores."""
    return [
        Score(
            goal=GOAL,
            workload=f"{count} workers, {depth:,} tasks queued",
            plane=PLANE,
            ours=speed,
            reference=speeds[1],
            ratio=speed / speeds[1],
            low95=speed / speeds[1],
            target=None,
            against="1 worker",
        )
        for count, speed in speeds.items()
        if count > 1
    ]


def _write(rounds: Rounds, speeds: Mapping[int, float]) -> None:
    by_depth: list[Mapping[str, Any]] = [
        {"depth": depth, "jobs": depth // PER_JOB}
        | {name: statistics.median(each[name] for each in figures) for name in METRICS}
        for depth, figures in rounds.items()
    ]
    by_workers = [{"workers": count, "throughput": speed} for count, speed in speeds.items()]
    DATA.parent.mkdir(parents=True, exist_ok=True)
    DATA.write_text(json.dumps({"by_depth": by_depth, "by_workers": by_workers}, indent=2) + "\n")
