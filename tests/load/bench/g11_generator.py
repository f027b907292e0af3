"""G11: the load generator keeps its schedule, and sees the latencies that another tool sees.

`make load`'s own sender and k6 send small manifests at one rate, in turns, to a server that takes
everything at once. Ours counts from the planned instant, k6 from when it sends: where both agree,
neither the schedule nor the client was late.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp

from tests.load.bench.floor import floor
from tests.load.bench.peers.installing import go_program
from tests.load.bench.rounds import interleave
from tests.load.bench.score import Finding, Score, median_range
from tests.load.bench.service import Run, manifest_of
from tests.load.bench.setup import Bench
from tests.load.measuring import SWITCH_S
from tests.load.plan import Stage, Workload
from tests.load.precise_loop import run_precisely
from tests.load.sender import LEAD_S, Sender, feel_lag
from tests.load.service import HttpApi, JobTypes
from tests.load.tally import Tally
from tests.load.upstream import Upstream
from tests.load.verdict import Limits

GOAL: Final = "G11"
RATE: Final = 500
RESOURCES: Final = 5
#: Of the planned rate.
KEPT: Final = 0.99
K6: Final = ("go.k6.io/k6", "v1.8.1")
#: Most requests k6 may have open; it starts none late as long as some are free.
K6_USERS: Final = 300
UPSTREAM: Final = "http://127.0.0.1:9"
SCRIPT: Final = """
import http from "k6/http";
const body = open("./manifest.json");
const headers = { "Content-Type": "application/json", "X-Fetchbox-Job-Type": "default" };
export const options = {
  scenarios: { load: {
    executor: "constant-arrival-rate", rate: %(rate)d, timeUnit: "1s", duration: "%(seconds)ds",
    preAllocatedVUs: %(users)d, maxVUs: %(users)d } },
  summaryTrendStats: ["p(50)", "p(99)", "count"],
};
export default function () { http.post("%(url)s/jobs", body, { headers }); }
export function handleSummary(found) { return { stdout: JSON.stringify(found.metrics) }; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(Run):
    """A run of the schedule: latencies as the tool saw them."""

    p50_ms: float
    p99_ms: float
    late: int = 0


def measure(bench: Bench) -> Sequence[Finding]:
    """Send with both; raises AbsentError where k6 cannot be had."""
    seconds = bench.pick(trial=2, usual=4, full=20)
    rounds = bench.pick(trial=1, usual=5, full=7)
    k6 = go_program(bench.cache, *K6)
    with floor(bench.binary, "accept") as url:
        arms = {
            "make load": partial(_our_arm, url, seconds),
            "k6": partial(_k6_arm, k6, url, seconds),
        }
        found = interleave(arms, rounds, GOAL)
    return [_schedule_score(found, seconds), _p99_score(found)]


def expected_s(bench: Bench) -> float:
    """Both tools, and their starts."""
    return bench.pick(trial=10, usual=5 * 10, full=7 * 42)


# Arms.


def _our_arm(url: str, seconds: int) -> Sent:
    before = time.process_time()
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)  # as `make load` does
    try:
        tally, took_s = run_precisely(_send(url, seconds))
    finally:
        sys.setswitchinterval(switch_s)
    if tally.problems:
        raise RuntimeError(f"the sink refused: {dict(tally.problems)}")
    accept = tally.latencies.accept
    return Sent(
        seconds=took_s,
        cpu_s={"make load": time.process_time() - before},
        count=tally.answered,
        p50_ms=accept.percentile(50) * 1e3,
        p99_ms=accept.percentile(99) * 1e3,
        late=tally.late,
    )


async def _send(url: str, seconds: int) -> tuple[Tally, float]:
    """Send the schedule as a run of `make load` does; return the seconds from its begin."""
    workload = Workload(
        stages=[Stage(seconds=seconds, begin=RATE, end=RATE)],
        resources=RESOURCES,
        sizes=[(1024, 1.0)],
    )
    tally = Tally(late_s=Limits.read().valid.late_ms / 1e3)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        api = HttpApi(
            session=session,
            api=url,
            operator=url,
            token="",
            tenant="bench",
            job_types=JobTypes(plain="default", proxied="default"),
            upstream=Upstream(name="none", base=UPSTREAM),
        )
        sender = Sender(api=api, tally=tally, now_ms=lambda: time.time() * 1e3)
        feeling = asyncio.create_task(feel_lag(tally))
        began = time.perf_counter()
        await sender.send(workload.orders())
        took_s = time.perf_counter() - began - LEAD_S
        feeling.cancel()
    return tally, took_s


def _k6_arm(k6: Path, url: str, seconds: int) -> Sent:
    with tempfile.TemporaryDirectory(prefix="fetchbox-bench-") as name:
        manifest = {str(n): f"{UPSTREAM}/b/1024/bench/0/{n}" for n in range(RESOURCES)}
        (Path(name) / "manifest.json").write_bytes(manifest_of(manifest))
        script = Path(name) / "script.js"
        figures = {"rate": RATE, "seconds": seconds, "users": K6_USERS, "url": url}
        script.write_text(SCRIPT % figures)
        command = [str(k6), "run", "--quiet", "--no-usage-report", str(script)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=name)
    return k6_figures(json.loads(done.stdout), seconds)


def k6_figures(metrics: Mapping[str, Mapping[str, Mapping[str, float]]], seconds: int) -> Sent:
    """Read what k6 says of a run."""
    took = metrics["http_req_duration"]["values"]
    failed = metrics["http_req_failed"]["values"]["rate"]
    dropped = metrics.get("dropped_iterations", {}).get("values", {}).get("count", 0)
    if failed or dropped:
        raise RuntimeError(f"k6: {failed:.1%} failed, {dropped:.0f} were not sent")
    count = int(metrics["http_reqs"]["values"]["count"])
    return Sent(seconds=seconds, cpu_s={}, count=count, p50_ms=took["p(50)"], p99_ms=took["p(99)"])


# Scores.

Rounds = Sequence[Mapping[str, Sent]]


def _schedule_score(rounds: Rounds, seconds: int) -> Score:
    runs = [each["make load"] for each in rounds]
    ratio, low, high = median_range([run.per_s / RATE for run in runs])
    late = sum(run.late for run in runs)
    return Score(
        goal=GOAL,
        workload=f"{RATE} POST/s of {RESOURCES} URLs for {seconds} s",
        plane="",
        ours=statistics.median(run.per_s for run in runs),
        reference=RATE,
        ratio=ratio,
        low95=low,
        high95=high,
        target=KEPT,
        against="its own schedule",
        notes=f"{late} of {sum(run.count for run in runs):,} left more than 10 ms late",
    )


def _p99_score(rounds: Rounds) -> Score:
    ours = [each["make load"].p99_ms for each in rounds]
    theirs = [each["k6"].p99_ms for each in rounds]
    gap = gap_between(ours, theirs)
    shown = " and ".join(f"{min(each):.2f} to {max(each):.2f} ms" for each in (ours, theirs))
    return Score(
        goal=GOAL,
        workload="p99: lower end of our interval, by the upper end of the other's",
        plane="",
        ours=statistics.median(ours),
        reference=statistics.median(theirs),
        ratio=gap,
        low95=gap,
        high95=gap,
        target=1.0,
        unit=" ms",
        against=f"k6 {K6[1]}",
        better="lower",
        notes=f"p99 of the rounds: {shown}",
    )


def gap_between(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the lower end of our interval by the upper end of theirs: up to 1 they overlap.

    An interval that lies wholly below theirs counts as overlapping: nothing was the bottleneck.
    """
    return median_range(ours)[1] / median_range(theirs)[2]
