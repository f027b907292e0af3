"""Dead letters over HTTP: list, replay, purge."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler

from fetchbox.api.answers import (
    DeadLettersAnswer,
    PurgeAnswer,
    ReplayAnswer,
    dead_letter_answer,
)
from fetchbox.api.auth import Guard
from fetchbox.api.queries import DeadLettersQuery, NoQuery, parse_filter, parse_query
from fetchbox.api.route_group import RouteGroup
from fetchbox.broker import streams
from fetchbox.broker.port import Broker
from fetchbox.model.dead_letters import DeadLetterEntry, ReplayReport, WantedDeadLetters


class DeadLetters(Protocol):
    """What these routes need of operations."""

    async def find(self, wanted: WantedDeadLetters, *, limit: int) -> Sequence[DeadLetterEntry]:
        """List matching dead letters."""
        ...

    async def replay(self, wanted: WantedDeadLetters, *, limit: int) -> ReplayReport:
        """Publish matching tasks again, but for resources already completed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterRoutes(RouteGroup):
    """GET /operators/dlq, POST /operators/dlq/replay and /operators/dlq/purge."""

    dead_letters: DeadLetters
    broker: Broker
    may_write: Guard

    def routes(self) -> list[HTTPRouteHandler]:
        """Return the routes."""
        guards = [self.may_write]
        return [
            get("/dlq")(self.list_entries),
            post("/dlq/replay", status_code=200, guards=guards)(self.replay),
            post("/dlq/purge", status_code=200, guards=guards)(self.purge),
        ]

    async def list_entries(self, request: Request[Any, Any, Any]) -> DeadLettersAnswer:
        """Return matching dead letters."""
        query = parse_query(request, DeadLettersQuery)
        entries = await self.dead_letters.find(_wanted(query), limit=query.limit)
        return DeadLettersAnswer(entries=[dead_letter_answer(entry) for entry in entries])

    async def replay(self, request: Request[Any, Any, Any]) -> ReplayAnswer:
        """Publish matching tasks again."""
        query = await parse_filter(request, DeadLettersQuery)
        report = await self.dead_letters.replay(_wanted(query), limit=query.limit)
        return ReplayAnswer(
            replayed=report.replayed,
            skipped=report.skipped,
            entries=[dead_letter_answer(entry) for entry in report.entries],
        )

    async def purge(self, request: Request[Any, Any, Any]) -> PurgeAnswer:
        """Delete every dead letter."""
        parse_query(request, NoQuery)
        spans = await self.broker.describe(streams.DLQ)
        await self.broker.purge(streams.DLQ)
        return PurgeAnswer(purged=sum(span.next - span.first for span in spans))


def _wanted(query: DeadLettersQuery) -> WantedDeadLetters:
    return WantedDeadLetters(job_id=query.job_id, code=query.code, pointer=query.pointer())
