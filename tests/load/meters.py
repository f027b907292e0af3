"""How the service, this generator and the machine stand: read once a second during a run.

Counters of the service come from its own /metrics; what nobody tells is None: `not measured`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp

from runner.host import Host, look_at_host
from tests.common.metrics import Sample as Line
from tests.common.metrics import parse, total
from tests.common.topics import STATUS, TASKS
from tests.load.events import Events, EventsAwayError, count_events
from tests.load.histogram import Histogram
from tests.load.plan import Wanted
from tests.load.surroundings import Surroundings, fields_of
from tests.load.tally import FirstByte, Tally
from tests.load.upstream import Upstream

SCRAPE_S: Final = 2.0
_WANTED: Final = (
    "fetchbox_worker_tasks",
    "fetchbox_worker_download_bytes_total",
    "fetchbox_worker_download_failures_total",
    "fetchbox_worker_dlq_total",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counters at one moment, CPU in seconds so far; None of processes that do not answer."""

    ended: float | None = None
    downloaded_bytes: float | None = None
    failed_attempts: float | None = None
    dead_letters: float | None = None
    in_flight: float | None = None
    api_cpu_s: float | None = None
    api_rss_bytes: float | None = None
    worker_cpu_s: float | None = None
    worker_rss_bytes: float | None = None


class Meter(Protocol):
    """Whoever reads the service."""

    async def read(self) -> Reading:
        """Return what it tells now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpMeter:
    """Scrapes every process of the service."""

    session: aiohttp.ClientSession
    api: Sequence[str]
    workers: Sequence[str]

    async def read(self) -> Reading:
        """See `Meter`."""
        api, workers = await asyncio.gather(self._lines(self.api), self._lines(self.workers))
        return Reading(
            ended=_total(workers, "fetchbox_worker_tasks_total"),
            downloaded_bytes=_total(workers, "fetchbox_worker_download_bytes_total"),
            failed_attempts=_total(workers, "fetchbox_worker_download_failures_total"),
            dead_letters=_total(workers, "fetchbox_worker_dlq_total"),
            in_flight=_total(workers, "fetchbox_worker_tasks_inflight"),
            api_cpu_s=_total(api, "process_cpu_seconds_total"),
            api_rss_bytes=_total(api, "process_resident_memory_bytes"),
            worker_cpu_s=_total(workers, "process_cpu_seconds_total"),
            worker_rss_bytes=_total(workers, "process_resident_memory_bytes"),
        )

    async def _lines(self, urls: Sequence[str]) -> list[Line] | None:
        """Scrape all processes of a kind; None when one does not answer."""
        try:
            async with asyncio.timeout(SCRAPE_S):
                return [line for url in urls for line in await self._scrape(url)]
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None

    async def _scrape(self, url: str) -> list[Line]:
        async with self.session.get(f"{url}/metrics", raise_for_status=True) as response:
            return parse(wanted_lines(await response.text()))


def _total(lines: list[Line] | None, name: str) -> float | None:
    return None if lines is None else total(lines, name)


def wanted_lines(text: str) -> str:
    """Leave out what is not read: parsing all of it would keep manifests waiting."""
    return "\n".join(line for line in text.splitlines() if line.startswith(_WANTED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One second of a run. Rates are per second, CPU in cores, None is not measured."""

    at_s: float
    sent: int
    accepted: int
    open: int
    backlog: int
    #: Tasks that the workers have not settled.
    lag: int | None
    #: Reports that the ledger has not settled.
    reports_lag: int | None
    accept_p50_ms: float | None
    accept_p99_ms: float | None
    sent_per_s: float
    ended_per_s: float | None = None
    bytes_per_s: float | None = None
    in_flight: float | None = None
    retries: int = 0
    dead_letters: float | None = None
    api_cpu: float | None = None
    worker_cpu: float | None = None
    generator_cpu: float = 0
    api_rss_bytes: float | None = None
    worker_rss_bytes: float | None = None
    store_cpu: float | None = None
    store_rss_bytes: float | None = None
    broker_cpu: float | None = None
    broker_rss_bytes: float | None = None
    proxies_cpu: float | None = None
    proxies_rss_bytes: float | None = None
    upstream_cpu: float | None = None
    upstream_rss_bytes: float | None = None
    upstream_ms: float | None = None
    cpu_pressure: float | None = None
    io_pressure: float | None = None
    memory_pressure: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """Return the fields, rounded."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {key: round(v, 3) if isinstance(v, float) else v for key, v in values.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Senses:
    """All that a run can look at; tests put their own in."""

    meter: Meter
    events: Events
    host: Callable[[], Host]
    #: CPU seconds of this process so far.
    own_cpu_s: Callable[[], float]
    #: Seconds that one small body takes from the upstream; None when it does not come.
    ask_upstream: Callable[[], Awaitable[float | None]]
    #: Bodies that the upstream has begun since the last call; None when it does not tell.
    first_bytes: Callable[[], Awaitable[Sequence[FirstByte] | None]]
    #: One or several, each with parts of its own.
    surroundings: Sequence[Surroundings]
    tenant: str


@dataclass(kw_only=True)
class Watch:
    """Looks at everything and tells what has changed since it looked last."""

    senses: Senses
    tally: Tally
    begun: float
    before: Reading = field(default_factory=Reading)
    own_before_s: float = 0.0
    looked_s: float = 0.0
    sent_before: int = 0
    shown_second: int = 0
    #: What had been there before the run.
    first: Reading = field(default_factory=Reading)

    async def begin(self) -> None:
        """Look for the first time."""
        self.first = self.before = await self.senses.meter.read()
        self.own_before_s = self.senses.own_cpu_s()
        await self.senses.first_bytes()  # from now on they are noted
        self._uses()

    async def look(self) -> Sample:
        """Take one sample."""
        tally, senses = self.tally, self.senses
        lag, reports_lag = await self._follow()
        for first in await senses.first_bytes() or ():
            tally.began(first)
        upstream_s = await senses.ask_upstream()
        now = await senses.meter.read()
        host = senses.host()
        at_s = asyncio.get_running_loop().time() - self.begun
        seconds = max(at_s - self.looked_s, 1e-3)
        accept = self._accept_since()
        sample = Sample(
            at_s=at_s,
            sent=tally.sent,
            accepted=len(tally.jobs),
            open=tally.open,
            backlog=tally.backlog,
            lag=lag,
            reports_lag=reports_lag,
            accept_p50_ms=accept.percentile(50) * 1e3 if accept.count else None,
            accept_p99_ms=accept.percentile(99) * 1e3 if accept.count else None,
            sent_per_s=(tally.sent - self.sent_before) / seconds,
            retries=tally.retries,
            generator_cpu=(senses.own_cpu_s() - self.own_before_s) / seconds,
            upstream_ms=None if upstream_s is None else upstream_s * 1e3,
            cpu_pressure=host.cpu_pressure,
            io_pressure=host.io_pressure,
            memory_pressure=host.memory_pressure,
        )
        sample = replace(sample, **self._service(now, seconds), **self._uses())
        self.looked_s, self.sent_before = at_s, tally.sent
        self.own_before_s = senses.own_cpu_s()
        return sample

    async def _follow(self) -> tuple[int | None, int | None]:
        """Count the events there are; a broker that is away for a moment tells them later."""
        events = self.senses.events
        try:
            count_events(await events.read(), self.senses.tenant, self.tally)
            return await events.lag(TASKS, "workers"), await events.lag(STATUS, "operators")
        except EventsAwayError:
            return None, None

    def _uses(self) -> dict[str, Any]:
        uses = {part: use for each in self.senses.surroundings for part, use in each.read().items()}
        return fields_of(uses)

    def _accept_since(self) -> Histogram:
        """Return the latencies of the newest seconds that have answers and were not shown."""
        merged = Histogram()
        newest = max(self.tally.by_second, default=0)
        for second in range(min(self.shown_second, newest), newest + 1):
            if second in self.tally.by_second:
                merged.merge(self.tally.by_second[second])
        self.shown_second = newest
        return merged

    def _service(self, now: Reading, seconds: float) -> dict[str, Any]:
        before, self.before = self.before, now
        if self.first.dead_letters is None:
            self.first = replace(self.first, dead_letters=now.dead_letters)
        return {
            "ended_per_s": _rate(before.ended, now.ended, seconds),
            "bytes_per_s": _rate(before.downloaded_bytes, now.downloaded_bytes, seconds),
            "in_flight": now.in_flight,
            "dead_letters": _rate(self.first.dead_letters, now.dead_letters, 1),
            "api_cpu": _rate(before.api_cpu_s, now.api_cpu_s, seconds),
            "worker_cpu": _rate(before.worker_cpu_s, now.worker_cpu_s, seconds),
            "api_rss_bytes": now.api_rss_bytes,
            "worker_rss_bytes": now.worker_rss_bytes,
        }


def _rate(before: float | None, now: float | None, seconds: float) -> float | None:
    """Return the change per second; None across an absence, or a start anew at zero."""
    if before is None or now is None or now < before:
        return None
    return (now - before) / seconds


def own_cpu_s() -> float:
    """Return the CPU seconds of this process and its threads."""
    return time.process_time()


async def seconds_for_a_body(session: aiohttp.ClientSession, upstream: Upstream) -> float | None:
    """Fetch one small body from the upstream."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    url = upstream.url(Wanted(size=1), f"probe-{begun:.3f}")
    try:
        async with asyncio.timeout(SCRAPE_S), session.get(url, raise_for_status=True) as response:
            await response.read()
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
    return loop.time() - begun


async def first_bytes_of(
    session: aiohttp.ClientSession, upstream: Upstream, run: str
) -> Sequence[FirstByte] | None:
    """Ask the upstream which bodies of a run it has begun."""
    try:
        async with asyncio.timeout(SCRAPE_S):
            return await upstream.first_bytes(session, run)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None


def host_of(environment: Mapping[str, str], folder: Path) -> Callable[[], Host]:
    """Return the look at this machine."""
    return lambda: look_at_host(environment, folder)
