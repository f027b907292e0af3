"""G7: while there is work, every slot waits on an origin; a slow URL keeps only its own slot.

Little's law: in flight = rate x mean latency. So the rate by its bound, in flight / mean latency,
is the share of the slots that wait on the origin. It is taken from the origin's own clock, between
its first and its last request: later, the list is too short to fill the slots.
"""

import json
import random
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.load.bench.floor import floor
from tests.load.bench.objects import count_stored, make_bucket
from tests.load.bench.rounds import interleave
from tests.load.bench.score import Finding, Score, median_range
from tests.load.bench.service import BUCKET, Run, drive, manifest_of, running
from tests.load.bench.setup import Bench

GOAL: Final = "G7"
#: Target and stretch target, of the slots.
BUSY: Final = (0.90, 0.95)
#: p99 of the fast URLs, by that of a run without the slow ones.
P99: Final = 1.2

SIZE: Final = 4096
PER_JOB: Final = 1000
FAST_MS: Final = 500
SLOW_MS: Final = 5000
SLOW_SHARE: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The delays of all URLs, in order, and how many are fetched at once."""

    delays_ms: Sequence[int]
    in_flight: int

    @property
    def little_per_s(self) -> float:
        """The rate no client can exceed in the long run."""
        return self.in_flight / (statistics.mean(self.delays_ms) / 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits(Run):
    """A run, how many slots waited on the origin on average, and the fast URLs' p99."""

    busy: float
    fast_p99_s: float


def measure(bench: Bench) -> Sequence[Finding]:
    """Measure the same list with its slow URLs and without."""
    count = bench.pick(trial=300, usual=5000, full=20_000)
    delays_ms = mixed_delays(count)
    load = Load(delays_ms=delays_ms, in_flight=bench.pick(trial=64, usual=512, full=512))
    fast = Load(delays_ms=[each for each in delays_ms if each == FAST_MS], in_flight=load.in_flight)
    arms = {"with slow": partial(_arm, bench, load), "without": partial(_arm, bench, fast)}
    rounds = interleave(arms, bench.rounds, f"{GOAL} N")
    return [_busy_score(rounds, load), _p99_score(rounds)]


def expected_s(bench: Bench) -> float:
    """Twice the list and a start per round."""
    return bench.rounds * bench.pick(trial=20, usual=21, full=55)


def mixed_delays(count: int) -> list[int]:
    """Return fast and slow delays in an order that looks random and is always the same."""
    slow = round(count * SLOW_SHARE)
    delays_ms = [SLOW_MS] * slow + [FAST_MS] * (count - slow)
    random.Random(1).shuffle(delays_ms)  # noqa: S311  # an order, not a secret
    return delays_ms


def _arm(bench: Bench, load: Load) -> Waits:
    with (
        tempfile.TemporaryDirectory(prefix="fetchbox-bench-") as name,
        floor(bench.binary, "origin") as origin,
        floor(bench.binary, "sink") as s3,
    ):
        make_bucket(s3, BUCKET)
        with running(Path(name), s3, in_flight=load.in_flight) as service:
            began = time.time()
            run = drive(service, _manifests(origin, load))
        stored = count_stored("N", s3, BUCKET, SIZE, f"{origin}/b/{SIZE}/check")
        if stored != len(load.delays_ms):
            raise RuntimeError(f"{stored} right objects were stored of {len(load.delays_ms)}")
        asked, arrived = _moments(origin), _moments(s3)
    return Waits(
        seconds=run.seconds,
        cpu_s=run.cpu_s,
        count=stored,
        busy=mean_waiting(waits_of(asked)),
        fast_p99_s=_p99(fast_times(arrived, began)),
    )


def _manifests(origin: str, load: Load) -> list[bytes]:
    """Name every URL and its resource after its delay, so that both ends tell them apart."""
    urls = {
        f"{delay_ms}-{number}": f"{origin}/b/{SIZE}/{delay_ms}/{number}?delay={delay_ms}"
        for number, delay_ms in enumerate(load.delays_ms)
    }
    names = list(urls)
    return [
        manifest_of({name: urls[name] for name in names[first:][:PER_JOB]})
        for first in range(0, len(names), PER_JOB)
    ]


def _moments(end: str) -> Mapping[str, Sequence[float]]:
    with urllib.request.urlopen(f"{end}/moments") as answer:  # noqa: S310  # an address of our own
        found: Mapping[str, Sequence[float]] = json.load(answer)
        return found


def waits_of(asked: Mapping[str, Sequence[float]]) -> list[tuple[float, float]]:
    """Return when each request came and how many seconds the origin made it wait."""
    waits = []
    for path, moments in asked.items():
        delay, _, number = path.removeprefix(f"/b/{SIZE}/").partition("/")
        if number:
            waits += [(moment, int(delay) / 1000) for moment in moments]
    return waits


def mean_waiting(waits: Sequence[tuple[float, float]]) -> float:
    """Return how many requests waited on average, from the first to the last that began."""
    first, last = min(waits)[0], max(waits)[0]
    return sum(min(wait_s, last - began) for began, wait_s in waits) / (last - first)


def fast_times(arrived: Mapping[str, Sequence[float]], began: float) -> list[float]:
    """Return after how many seconds the body of each fast URL was stored."""
    return [
        moments[-1] - began
        for key, moments in arrived.items()
        if key.rpartition("/")[2].startswith(f"{FAST_MS}-")
    ]


def _p99(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[98]


def _busy_score(rounds: Sequence[Mapping[str, Waits]], load: Load) -> Score:
    runs = [each["with slow"] for each in rounds]
    ratio, low, high = median_range([run.busy / load.in_flight for run in runs])
    whole = statistics.median(run.seconds for run in runs)
    return Score(
        goal=GOAL,
        workload=f"{len(load.delays_ms):,} x 4 KiB, 500 ms, 1 % 5 s, {load.in_flight} in flight",
        plane="N",
        ours=ratio * load.little_per_s,
        reference=load.little_per_s,
        ratio=ratio,
        low95=low,
        high95=high,
        target=BUSY[0],
        stretch=BUSY[1],
        against="Little's bound",
        notes=f"{ratio * load.in_flight:.0f} slots in use; POST to completed {whole:.1f} s",
    )


def _p99_score(rounds: Sequence[Mapping[str, Waits]]) -> Score:
    ours = [each["with slow"].fast_p99_s for each in rounds]
    calm = [each["without"].fast_p99_s for each in rounds]
    return Score.of_rounds(
        ours,
        calm,
        goal=GOAL,
        workload="p99 of the fast URLs, POST to stored",
        plane="N",
        target=P99,
        unit=" s",
        against="without the slow ones",
        better="lower",
    )
