"""What every request passes through: its id, its log line, its metrics, its deadline."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final
from uuid import uuid4

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from fetchbox.api.headers import request_id_of
from fetchbox.model.failure import FailureCode, fail
from fetchbox.telemetry.logs import bind_ids
from fetchbox.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

UNROUTED: Final = "unmatched"
_FACTS: Final = "fetchbox.facts"


@dataclass(slots=True, kw_only=True)
class RequestFacts:
    """What a handler learns about its request; shown in the access log."""

    request_id: str
    ids: dict[str, str] = field(default_factory=dict)


def facts_of(scope: Any) -> RequestFacts:
    """Return the facts of the request being served."""
    facts: RequestFacts = scope[_FACTS]
    return facts


class Access:
    """The outermost ASGI layer. Logs neither queries nor headers: they may hold secrets."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap `app`."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        facts = RequestFacts(request_id=request_id_of(scope["headers"]) or str(uuid4()))
        scope[_FACTS] = facts
        header = (b"x-request-id", facts.request_id.encode())
        status, started = 500, perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        path = scope["path"]
        try:
            with bind_ids(request_id=facts.request_id):
                await self._app(scope, receive, send_with_id)
        finally:
            route = str(scope.get("path_template", UNROUTED))
            self._count(status, route)
            logger.info(
                "request served",
                extra={
                    "method": scope["method"],
                    "path": path,
                    "route": route,
                    "status": status,
                    "duration_ms": round((perf_counter() - started) * 1000, 3),
                    "request_id": facts.request_id,
                    **facts.ids,
                },
            )

    def _count(self, status: int, route: str) -> None:
        self._metrics.api_requests.labels(str(status), route).inc()
        if route.startswith("/operators"):
            self._metrics.operator_requests.inc()


@asynccontextmanager
async def deadline(limit_ms: int) -> AsyncIterator[None]:
    """Give up what takes longer: 503 REQUEST_TIMEOUT."""
    try:
        async with asyncio.timeout(limit_ms / 1000):
            yield
    except TimeoutError as error:
        message = f"not answered within {limit_ms} ms; try again"
        raise fail(FailureCode.SYSTEM_REQUEST_TIMEOUT, message) from error


def with_deadline(limit_ms: int) -> Callable[[ASGIApp], ASGIApp]:
    """Make the middleware of every route that answers at once."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def answer_in_time(scope: Scope, receive: Receive, send: Send) -> None:
            async with deadline(limit_ms):
                await app(scope, receive, send)

        return answer_in_time

    return wrap
