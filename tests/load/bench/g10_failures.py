"""G10: failures cost their own attempts and nothing else.

Two pools of five proxies with Basic auth, one of five dead, and a third pool to fall back to. Of
the URLs 5 % answer 500, a tenth of them for ever, and 1 % are reset once in the middle of the body.
The relay goes through the healthy proxies and meets no failure. Attempts are counted, as answered
by the proxies, which answer in the origin's place: no second hop is the limit. On T only with
FULL=1: MinIO's share of the time hides what failures cost.
"""

import json
import random
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.load.bench.arms import Ends, Workload, relay_arm
from tests.load.bench.floor import floor, floors
from tests.load.bench.objects import count_stored, make_bucket
from tests.load.bench.rounds import interleave, score_rounds
from tests.load.bench.score import Absence, Finding, Score
from tests.load.bench.service import BUCKET, Run, Service, drive, free_port, manifest_of, running
from tests.load.bench.setup import Bench

GOAL: Final = "G10"
TARGETS: Final = (0.80, 0.90)
HEALTHY: Final = 4
POOLS: Final = ("east", "west")
#: Short, so that the run is about the work between the waits; the default is 500 ms.
BACKOFF_MS: Final = 20
#: What becomes of a thousand URLs; the rest is fetched at the first attempt.
FAULTS_PER_1000: Final = {"?status=500": 5, "?once=500": 45, "?once=reset": 10}
LOST: Final = "?status=500"
CODE: Final = "DOWNLOAD_HTTP_5XX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The ends of one run: an address nobody listens at stands for the dead proxies."""

    proxies: Sequence[str]
    dead: str
    s3: str
    folder: Path


def measure(bench: Bench) -> Sequence[Finding]:
    """Measure on every plane there is time for; a wrong end is an error, not a figure."""
    jobs = bench.pick(trial=2, usual=15, full=50)
    load = Workload(jobs=jobs, per_job=bench.pick(trial=500, usual=1000, full=1000))
    if bench.is_thorough:
        return [_compared(bench, plane, load) for plane in bench.planes]
    return [_compared(bench, "N", load), Absence(goal=GOAL, what="plane T: FULL=1")]


def _compared(bench: Bench, plane: str, load: Workload) -> Score:
    arms = {
        "fetchbox": partial(_on_fresh_site, bench, plane, load, is_failing=True),
        "relay": partial(_on_fresh_site, bench, plane, load, is_failing=False),
    }
    return score_rounds(
        interleave(arms, bench.rounds, f"{GOAL} {plane}"),
        "relay",
        goal=GOAL,
        workload=f"{load}, 1 of 5 proxies dead, 5 % 500, 1 % reset",
        plane=plane,
        targets=TARGETS,
        notes=f"attempts per second; the relay meets no failure; back-off from {BACKOFF_MS} ms",
    )


def expected_s(bench: Bench) -> float:
    """Both arms per round."""
    return bench.pick(trial=30, usual=bench.rounds * 22, full=bench.rounds * 150)


def urls_of(load: Workload) -> list[str]:
    """Return path and fault of every URL, in an order that looks random and is always the same."""
    faults = [
        fault for fault, share in FAULTS_PER_1000.items() for _ in range(load.count * share // 1000)
    ]
    faults += [""] * (load.count - len(faults))
    random.Random(1).shuffle(faults)  # noqa: S311  # an order, not a secret
    return [f"/b/{load.size}/{number}{fault}" for number, fault in enumerate(faults)]


# Arms.


def _on_fresh_site(bench: Bench, plane: str, load: Workload, *, is_failing: bool) -> Run:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fetchbox-bench-")))
        proxies = stack.enter_context(floors(bench.binary, "proxy", HEALTHY))
        site = Site(
            proxies=proxies,
            dead=f"http://127.0.0.1:{free_port()}",
            s3=stack.enter_context(bench.sink(plane)(folder)),
            folder=folder,
        )
        make_bucket(site.s3, BUCKET)
        run = (_service_arm if is_failing else _relay_arm)(load, site)
        attempts = _attempts(proxies[0])
        origin = stack.enter_context(floor(bench.binary, "origin"))
        stored = count_stored(plane, site.s3, BUCKET, load.size, f"{origin}/b/{load.size}/check")
    expected = load.count - is_failing * _lost(load)
    if stored != expected:
        raise RuntimeError(f"{stored} right objects were stored of {expected}")
    return replace(run, count=attempts)


def _relay_arm(load: Workload, site: Site) -> Run:
    ends = Ends(origin="http://origin.invalid", s3=site.s3, folder=site.folder)
    return relay_arm(load, ends, [_with_credentials(proxy) for proxy in site.proxies])


def _service_arm(load: Workload, site: Site) -> Run:
    config = site.folder / "fetchbox.toml"
    config.write_text(_configuration(site))
    urls = urls_of(load)
    manifests = [
        manifest_of(
            {
                f"{number}": f"http://origin.invalid{urls[number]}"
                for number in range(first, first + load.per_job)
            }
        )
        for first in range(0, load.count, load.per_job)
    ]
    with running(
        site.folder,
        site.s3,
        in_flight=load.in_flight,
        settings={"FETCHBOX_CONFIG": str(config)},
    ) as service:
        run = drive(service, manifests, job_types=POOLS, may_fail=True)
        lost = {str(number) for number, url in enumerate(urls) if url.endswith(LOST)}
        _check_ends(service, load.count, lost)
    return run


def _with_credentials(proxy: str) -> str:
    return proxy.replace("://", "://bench:secret@")


def _configuration(site: Site) -> str:
    """Write the pools: in each, the dead proxy lies between the others."""
    healthy = [_with_credentials(proxy) for proxy in site.proxies]
    dead = _with_credentials(site.dead)
    parts = ['[worker]\nproxy_failover_order = "round_robin"']
    for name in POOLS:
        parts.append(f'[handlers.{name}]\nproxy_pool = "{name}"')
        parts.append(_pool(name, [*healthy[:2], dead, *healthy[2:]]) + 'fallbacks = ["reserve"]')
    return "\n".join([*parts, _pool("reserve", healthy[:1]), ""])


def _pool(name: str, proxies: Sequence[str]) -> str:
    primary = json.dumps(list(proxies))
    return f"[proxy.pools.{name}]\nprimary = {primary}\nretry_backoff_ms = {BACKOFF_MS}\n"


def _attempts(proxy: str) -> int:
    with urllib.request.urlopen(f"{proxy}/moments") as answer:  # noqa: S310  # an address of our own
        return sum(map(len, json.load(answer).values()))


def _lost(load: Workload) -> int:
    return load.count * FAULTS_PER_1000[LOST] // 1000


# How tasks ended.


def _check_ends(service: Service, count: int, lost: set[str]) -> None:
    with urllib.request.urlopen(f"{service.url}/operators/ledger/export") as answer:  # noqa: S310  # as above
        rows = [row for line in answer for row in json.loads(line)["resources"]]
    with urllib.request.urlopen(f"{service.url}/operators/dlq?limit=10000") as answer:  # noqa: S310  # as above
        letters = json.load(answer)["entries"]
    if faults := end_faults(rows, letters, count, lost):
        raise RuntimeError("; ".join(faults))


def end_faults(
    rows: Iterable[Mapping[str, Any]],
    letters: Iterable[Mapping[str, Any]],
    count: int,
    lost: set[str],
) -> list[str]:
    """Say which ends are wrong: `lost` must be dead letters with their code, all else completed."""
    ends = Counter((row["state"], row["failure_code"]) for row in rows)
    wanted = Counter({("completed", ""): count - len(lost), ("failed", CODE): len(lost)})
    faults = []
    if ends != +wanted:
        faults.append(f"ends {dict(ends)}, not {dict(wanted)}")
    buried = Counter((letter["resource_id"], letter["code"]) for letter in letters)
    if buried != Counter((resource_id, CODE) for resource_id in lost):
        faults.append(f"{buried.total()} dead letters, not one for each of {len(lost)}")
    return faults
