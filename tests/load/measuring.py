"""One run on a stack that stands: connections, warm-up, the course, the account."""

import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final, Protocol

import aiohttp

from tests.common.addresses import Addresses
from tests.common.context import DEFAULT_BUCKET
from tests.common.objects import minio_client
from tests.load.account import TERMINAL, Auditor, Snapshot, updated_ms
from tests.load.arguments import Wishes
from tests.load.bucket import S3Bucket
from tests.load.course import Course, Runner
from tests.load.events import EventsAwayError, events_of
from tests.load.live import LiveView
from tests.load.meters import (
    HttpMeter,
    Senses,
    first_bytes_of,
    host_of,
    own_cpu_s,
    seconds_for_a_body,
)
from tests.load.plan import Order, Wanted, Workload
from tests.load.result import Result, machine
from tests.load.service import HttpApi
from tests.load.surroundings import EngineSurroundings, ProcSurroundings, Surroundings
from tests.load.tally import Tally
from tests.load.upstream import Ceiling, Upstream, measure_ceiling, own_upstream
from tests.load.verdict import Account

#: How long the first job may take, and the ledger to hear of the last reports.
WARM_S: Final = 30.0
SETTLE_S: Final = 15.0
GLANCE_S: Final = 0.2
#: The file to which make writes what the engine tells of its containers.
ENGINE_STATS: Final = "FETCHBOX_TEST_ENGINE_STATS"
#: Threads of ours give the event loop back after this long; Python's 5 ms would make it late.
SWITCH_S: Final = 0.0005


class Run(Protocol):
    """A run that is prepared; each call is one of its own."""

    def __call__(
        self, workload: Workload, once_sent: Callable[[], Awaitable[None]] | None = None
    ) -> Awaitable[Result]:
        """Send, wait for the backlog, look at what is left."""
        ...


class NotMeasuredError(Exception):
    """No number came about; the text says why."""


@contextmanager
def upstream_for(wishes: Wishes, addresses: Addresses) -> Iterator[Upstream]:
    """Return what the workers can reach: a static server of our own, unless one is named."""
    if wishes.upstream:
        yield Upstream(name=wishes.upstream, base=wishes.upstream)
    else:
        with own_upstream(addresses.api) as upstream:
            yield upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """All that one run has at hand."""

    wishes: Wishes
    addresses: Addresses
    upstream: Upstream
    view: LiveView
    #: Processes of the stack, where they are ours.
    pids: Mapping[str, int] = field(default_factory=dict)

    async def measure(self) -> Result:
        """Run, and look at what is left; raises NotMeasuredError."""
        async with self.prepared() as run:
            return await run(self.wishes.workload)

    @asynccontextmanager
    async def prepared(self) -> AsyncIterator[Run]:
        """Connect, measure the upstream, warm up; the run may then be called more than once."""
        sys.setswitchinterval(SWITCH_S)
        connector = aiohttp.TCPConnector(limit=0)
        try:
            async with aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            ) as session:
                yield await self._prepare(session)
        except (aiohttp.ClientError, EventsAwayError, OSError) as error:
            msg = f"{type(error).__name__}: {error}"
            raise NotMeasuredError(msg) from error

    async def _prepare(self, session: aiohttp.ClientSession) -> Run:
        workload = self.wishes.workload
        ceiling = await measure_ceiling(session, self.upstream, workload)
        self._say_ceiling(ceiling)
        digests = {size: await self.upstream.digest(session, size) for size, _ in workload.sizes}
        tenant = f"load-{uuid.uuid4().hex[:12]}"
        await self._warm(self._api(session, f"{tenant}-warm"))
        numbers = count(1)

        async def run(
            workload: Workload, once_sent: Callable[[], Awaitable[None]] | None = None
        ) -> Result:
            api = self._api(session, f"{tenant}-{next(numbers)}")
            begun = datetime.now(UTC)
            with self.view.showing():
                runner = self._runner(session, api, workload)
                runner.once_sent = once_sent
                course = await runner.run()
            account = await self._account(api, course.tally, digests)
            return self._result(begun, workload, ceiling, course, account)

        return run

    def _result(
        self,
        begun: datetime,
        workload: Workload,
        ceiling: Ceiling,
        course: Course,
        account: Account,
    ) -> Result:
        return Result(
            begun=begun.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            stack=self.addresses.stack,
            broker="iggy" if self.addresses.is_iggy else "sqlite",
            upstream=self.upstream.name,
            workload=workload,
            limits=self.wishes.limits,
            course=course,
            ceiling=ceiling,
            account=account,
            machine=machine(),
        )

    def _api(self, session: aiohttp.ClientSession, tenant: str) -> HttpApi:
        return HttpApi(
            session=session,
            api=self.addresses.api,
            operator=self.addresses.operator,
            token=self.addresses.operator_token,
            tenant=tenant,
            job_types=self.wishes.job_types,
            upstream=self.upstream,
        )

    def _runner(self, session: aiohttp.ClientSession, api: HttpApi, workload: Workload) -> Runner:
        senses = Senses(
            meter=HttpMeter(
                session=session,
                api=self.addresses.api_metrics,
                workers=self.addresses.worker_metrics,
            ),
            events=events_of(self.addresses.broker),
            host=host_of(os.environ, self.addresses.artifacts),
            own_cpu_s=own_cpu_s,
            ask_upstream=lambda: seconds_for_a_body(session, self.upstream),
            first_bytes=lambda: first_bytes_of(session, self.upstream, api.tenant),
            surroundings=self._surroundings(),
            tenant=api.tenant,
        )
        return Runner(
            workload=workload,
            api=api,
            senses=senses,
            late_s=self.wishes.limits.valid.late_ms / 1e3,
            now_ms=lambda: time.time() * 1e3,
            drain_s=self.wishes.drain_s,
            show=self.view.show,
        )

    def _surroundings(self) -> list[Surroundings]:
        pids = dict(self.pids)
        pids.pop("upstream", None)  # the stack's own, which a load leaves alone
        if self.upstream.pid is not None:
            pids["upstream"] = self.upstream.pid
        found: list[Surroundings] = [ProcSurroundings(pids=pids)]
        if path := os.environ.get(ENGINE_STATS):
            found.append(EngineSurroundings(path=Path(path)))
        return found

    def _say_ceiling(self, ceiling: Ceiling) -> None:
        workload = self.wishes.workload
        self.view.console.print(
            f"upstream: {self.upstream.name}, at least {ceiling.requests_per_s:.0f} requests/s,"
            f" {ceiling.bytes_per_s / 1e6:.0f} MB/s; planned are at most"
            f" {workload.peak_rate * workload.resources:.0f} requests/s",
            highlight=False,
            soft_wrap=True,
        )

    async def _warm(self, api: HttpApi) -> None:
        """Carry one job of each kind that is planned, uncounted: the stack works, and is warm."""
        wanted = [Wanted(size=round(self.wishes.workload.mean_size))]
        kinds = [False, True] if self.wishes.workload.proxied else [False]
        for number, is_proxied in enumerate(kinds):
            order = Order(number=number, at_s=0, is_proxied=is_proxied, wanted=wanted)
            answer = await api.submit(order)
            if answer.problem:
                msg = f"the first manifest was not accepted: {answer.problem}"
                raise NotMeasuredError(msg)
        jobs = await _settled(api, len(kinds), WARM_S)
        for job in jobs.values():
            if job["status"] != "completed":
                msg = f"the first job of type {job['job_type']} is {job['status']}:"
                msg += f" {job.get('last_error')}"
                raise NotMeasuredError(msg)

    async def _account(self, api: HttpApi, tally: Tally, digests: Mapping[int, str]) -> Account:
        snapshots = await _settled(api, len(tally.jobs), SETTLE_S)
        tally.completed(updated_ms(snapshots, tally))
        client = minio_client(self.addresses)
        types = self.wishes.job_types
        auditor = Auditor(
            bucket=S3Bucket(client=client, name=DEFAULT_BUCKET),
            job_types=(types.plain, types.proxied),
            digests=digests,
            sample=self.wishes.verify,
        )
        account = await asyncio.to_thread(auditor.audit, tally, snapshots)
        client.close()
        return account


async def _settled(api: HttpApi, count: int, within_s: float) -> dict[str, Snapshot]:
    """Return the jobs of a tenant once `count` have ended; as they are when the time is up."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while True:
        jobs: dict[str, Snapshot] = {str(job["job_id"]): job async for job in api.jobs()}
        ended = sum(job["status"] in TERMINAL for job in jobs.values())
        if ended >= count or loop.time() > deadline:
            return jobs
        await asyncio.sleep(GLANCE_S)
