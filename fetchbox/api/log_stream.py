"""GET /operators/jobs/{job_id}/logs: a job's log events as server-sent events (contract 2.4).

Reads jobs.logs by explicit offset, outside every consumer group, so viewers move nothing.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream
from msgspec import Struct

from fetchbox.api.access import deadline
from fetchbox.api.errors import problem_of
from fetchbox.api.headers import text_value
from fetchbox.api.operators import job_or_404
from fetchbox.api.queries import LogsQuery, last_event_id, parse_query
from fetchbox.api.route_group import RouteGroup
from fetchbox.broker import streams
from fetchbox.broker.port import Broker, BrokerUnavailableError, Message, PartitionSpan
from fetchbox.ledger.port import Ledger
from fetchbox.model.failure import FetchBoxError
from fetchbox.model.job import Job
from fetchbox.model.outcome import LogEvent
from fetchbox.wire.codec import UndecodableError, decode_log

logger = logging.getLogger(__name__)

EVENT_STREAM: Final = "text/event-stream"
PAGE: Final = 1000
KEEP_ALIVE: Final = b": keep-alive\n\n"

#: Waits some seconds; true when the service is stopping.
Pause = Callable[[float], Awaitable[bool]]

_ENDLESS: Final = 2**63
_encoder: Final = msgspec.json.Encoder()


class LogLine(Struct, kw_only=True):
    """`data` of `event: log`."""

    job_id: str
    resource_id: str
    level: str
    message: str
    fields: Mapping[str, str]
    timestamp_ms: int
    trace_id: str
    offset: int
    partition: int


class EndOfLog(Struct, kw_only=True):
    """`data` of `event: end`."""

    next_offset: int
    count: int
    reason: Literal["limit", "tail", "terminal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """How often a followed log is read, and when it says something of its own."""

    poll_s: float = 0.25
    keep_alive_s: float = 15.0
    idle_s: float = 5.0


@dataclass(slots=True, kw_only=True)
class LogCursor:
    """One client's walk through the partition of one job."""

    broker: Broker
    job_id: str
    partition: int
    offset: int
    limit: int
    count: int = 0

    @property
    def is_full(self) -> bool:
        """The client has all it asked for."""
        return self.count >= self.limit

    async def read_page(self, end: int) -> tuple[bytes, int]:
        """Read on, not past `end`: the events to send, and how many messages were passed."""
        chunk, passed = bytearray(), 0
        async for message in self.broker.read(
            streams.LOGS, self.partition, self.offset, limit=PAGE
        ):
            if message.offset >= end or self.is_full:
                continue  # at most a page; ending the iteration early would leave it open
            self.offset, passed = message.offset + 1, passed + 1
            if (event := self._own_event(message)) is not None:
                chunk += _frame(message, event)
                self.count += 1
        return bytes(chunk), passed

    def _own_event(self, message: Message) -> LogEvent | None:
        if self.job_id.encode() not in message.payload:
            return None  # another job's; not worth decoding
        try:
            event = decode_log(message.payload)
        except UndecodableError:
            place = {"partition": message.partition, "offset": message.offset}
            logger.exception("log event skipped", extra={"stream": streams.LOGS, **place})
            return None
        return event if event.job_id == self.job_id else None

    def end(self, reason: Literal["tail", "terminal"]) -> bytes:
        """Make the final event."""
        end = EndOfLog(
            next_offset=self.offset, count=self.count, reason="limit" if self.is_full else reason
        )
        return _event(b"end", _encoder.encode(end))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStreaming(RouteGroup):
    """The log route."""

    broker: Broker
    ledger: Ledger
    pause: Pause
    request_timeout_ms: int
    pacing: Pacing = Pacing()

    def streams(self) -> list[HTTPRouteHandler]:
        """Return the route; a followed log has no deadline."""
        return [get("/jobs/{job_id:str}/logs", media_type=EVENT_STREAM)(self.logs)]

    async def logs(self, request: Request[Any, Any, Any], job_id: FromPath[str]) -> Stream:
        """Open the log; the first page is read while a failure can still be answered."""
        query = parse_query(request, LogsQuery)
        seen = last_event_id(text_value(request.scope["headers"], "Last-Event-ID"))
        async with deadline(self.request_timeout_ms):
            job = await job_or_404(self.ledger, request, job_id)
            span = await self._span(job_id)
            wanted = query.since_offset if seen is None else seen + 1
            start = _start(job, span, wanted)
            cursor = LogCursor(
                broker=self.broker,
                job_id=job_id,
                partition=span.partition,
                offset=start,
                limit=query.limit,
            )
            end = _ENDLESS if query.follow else span.next
            first, _ = await cursor.read_page(end)
        rest = self._follow(cursor) if query.follow else _replay(cursor, end)
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return Stream(_guarded(first, rest), media_type=EVENT_STREAM, headers=headers)

    async def _span(self, job_id: str) -> PartitionSpan:
        spans = await self.broker.describe(streams.LOGS)
        if not spans:
            message = f"topic {streams.LOGS} does not exist yet"
            raise BrokerUnavailableError(message)
        partition = streams.partition_of(job_id, len(spans))
        return next(span for span in spans if span.partition == partition)

    async def _follow(self, cursor: LogCursor) -> AsyncIterator[bytes]:
        idle_s = quiet_s = 0.0
        while not cursor.is_full:
            chunk, passed = await cursor.read_page(_ENDLESS)
            if chunk:
                idle_s = quiet_s = 0.0
                yield chunk
            if passed >= PAGE or cursor.is_full:
                continue
            if idle_s >= self.pacing.idle_s and await self._is_over(cursor.job_id):
                break
            if await self.pause(self.pacing.poll_s):
                return  # no end event: the client comes back with Last-Event-ID
            idle_s, quiet_s = idle_s + self.pacing.poll_s, quiet_s + self.pacing.poll_s
            if quiet_s >= self.pacing.keep_alive_s:
                quiet_s = 0.0
                yield KEEP_ALIVE
        yield cursor.end("terminal")

    async def _is_over(self, job_id: str) -> bool:
        job = await self.ledger.get(job_id)
        return job is None or job.is_terminal


def _start(job: Job, span: PartitionSpan, wanted: int | None) -> int:
    """Where to begin: as asked, else the job's own cursor; never before what is still kept."""
    if wanted is None:
        is_here = job.log_cursor.partition == span.partition
        wanted = job.log_cursor.offset if is_here else 0
    return max(wanted, span.first)


async def _replay(cursor: LogCursor, end: int) -> AsyncIterator[bytes]:
    """Yield what lies before `end`, the tail seen when the client came."""
    passed = PAGE
    while passed and cursor.offset < end and not cursor.is_full:
        chunk, passed = await cursor.read_page(end)
        if chunk:
            yield chunk
    if not cursor.is_full:
        cursor.offset = max(cursor.offset, end)
    yield cursor.end("tail")


async def _guarded(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Send the first page and the rest; a failure on the way is told as an event."""
    if first:
        yield first
    try:
        async for chunk in rest:
            yield chunk
    except FetchBoxError as error:
        logger.warning("log stream broke", extra={"code": error.failure.code})
        yield _event(b"error", _encoder.encode(problem_of(error)))


def _frame(message: Message, event: LogEvent) -> bytes:
    line = LogLine(
        job_id=event.job_id,
        resource_id=event.resource_id,
        level=event.level.name.lower(),
        message=event.message,
        fields=event.fields,
        timestamp_ms=event.timestamp_ms,
        trace_id=event.trace_id,
        offset=message.offset,
        partition=message.partition,
    )
    return b"id: %d\n%b" % (message.offset, _event(b"log", _encoder.encode(line)))


def _event(name: bytes, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, data)


def pause_until(stopping: asyncio.Event) -> Pause:
    """Make a pause that a stopping service cuts short."""

    async def pause(seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await stopping.wait()
        except TimeoutError:
            return stopping.is_set()

    return pause
