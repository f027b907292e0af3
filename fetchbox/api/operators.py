"""What operators read: one job, all jobs, the latest failures; and upkeep of the ledger."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar import Request, get, post
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream

from fetchbox.api.access import deadline, facts_of
from fetchbox.api.answers import FailuresAnswer, JobAnswer, JobsAnswer, PruneAnswer, job_answer
from fetchbox.api.auth import Guard
from fetchbox.api.queries import (
    FailuresQuery,
    JobsQuery,
    NoQuery,
    cursor_of,
    job_id_of,
    parse_query,
)
from fetchbox.api.route_group import RouteGroup
from fetchbox.ledger.port import JobFilter, Ledger
from fetchbox.model.job import Job

NDJSON: Final = "application/x-ndjson"
#: Lines are gathered to chunks of about this size.
_CHUNK_BYTES: Final = 65_536

AnyRequest = Request[Any, Any, Any]


async def job_or_404(ledger: Ledger, request: AnyRequest, job_id: str) -> Job:
    """Return a job and note it for the access log; raises 404."""
    job = await ledger.get(job_id)
    if job is None:
        msg = f"no job has the id {job_id!r}"
        raise NotFoundException(msg)
    facts_of(request.scope).ids.update(job_id=job.job_id, job_type=job.job_type, tenant=job.tenant)
    return job


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReading(RouteGroup):
    """GET /operators/jobs and /operators/jobs/{job_id}."""

    ledger: Ledger

    def routes(self) -> list[HTTPRouteHandler]:
        """Return the routes."""
        return [get("/jobs/{job_id:str}")(self.snapshot), get("/jobs")(self.list_jobs)]

    async def snapshot(self, request: AnyRequest, job_id: FromPath[str]) -> JobAnswer:
        """Return one job."""
        return job_answer(await job_or_404(self.ledger, request, job_id))

    async def list_jobs(self, request: AnyRequest) -> JobsAnswer:
        """Return one page; one job more is asked for, to know whether there is another page."""
        query = parse_query(request, JobsQuery)
        wanted = JobFilter(status=query.status, job_type=query.job_type, tenant=query.tenant)
        jobs = await self.ledger.list_jobs(
            wanted, limit=query.limit + 1, before=job_id_of(query.cursor)
        )
        page = jobs[: query.limit]
        has_more = len(jobs) > query.limit
        return JobsAnswer(
            jobs=[job_answer(job) for job in page],
            next_cursor=cursor_of(page[-1].job_id) if has_more else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerUpkeep(RouteGroup):
    """GET /operators/ledger/failures and /export, POST /operators/ledger/prune."""

    ledger: Ledger
    prune: Callable[[], Awaitable[int]]
    may_write: Guard
    request_timeout_ms: int

    def routes(self) -> list[HTTPRouteHandler]:
        """Return the routes with a deadline."""
        return [
            get("/ledger/failures")(self.failures),
            post("/ledger/prune", status_code=200, guards=[self.may_write])(self.prune_now),
        ]

    def streams(self) -> list[HTTPRouteHandler]:
        """Return the route without one."""
        return [get("/ledger/export", media_type=NDJSON)(self.export)]

    async def failures(self, request: AnyRequest) -> FailuresAnswer:
        """Return the jobs that failed last."""
        query = parse_query(request, FailuresQuery)
        jobs = await self.ledger.list_failures(query.limit)
        return FailuresAnswer(jobs=[job_answer(job) for job in jobs])

    async def prune_now(self, request: AnyRequest) -> PruneAnswer:
        """Apply the retention now."""
        parse_query(request, NoQuery)
        return PruneAnswer(pruned=await self.prune())

    async def export(self, request: AnyRequest) -> Stream:
        """Return every job, one JSON document a line."""
        parse_query(request, NoQuery)
        lines = _lines(self.ledger.export())
        async with deadline(self.request_timeout_ms):
            first = await anext(lines, b"")
        return Stream(_resumed(first, lines), media_type=NDJSON)


async def _lines(rows: AsyncIterator[object]) -> AsyncIterator[bytes]:
    """Encode rows, gathered to chunks."""
    encoder, chunk = msgspec.json.Encoder(), bytearray()
    async for row in rows:
        chunk += encoder.encode(row)
        chunk += b"\n"
        if len(chunk) >= _CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)


async def _resumed(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Put back what was read to learn of a failure while it can still be answered."""
    yield first
    async for chunk in rest:
        yield chunk
