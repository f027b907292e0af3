"""Put the routes together: one Litestar application from services and options.

Decides nothing but which routes a listener has and what every request passes through.
"""

import asyncio
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler

from fetchbox.api.access import Access, with_deadline
from fetchbox.api.auth import Guard, token_guard, write_guard
from fetchbox.api.dlq import DeadLetterRoutes, DeadLetters
from fetchbox.api.errors import EXCEPTION_HANDLERS
from fetchbox.api.health import Health, Probe
from fetchbox.api.jobs import Accepting, JobSubmission
from fetchbox.api.log_stream import LogStreaming, pause_until
from fetchbox.api.openapi import Documentation, Surface
from fetchbox.api.operators import JobReading, LedgerUpkeep
from fetchbox.broker.port import Broker
from fetchbox.ledger.port import Ledger
from fetchbox.model.clock import Clock
from fetchbox.telemetry.metrics import Metrics

_OPERATORS: Final = "/operators"

__all__ = ["ApiOptions", "ApiServices", "Probe", "create_app"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServices:
    """What the routes call.

    Attributes:
        job_types: the configured ones.
        prune: applies the ledger's retention once; returns how many jobs went.
        probes: by component: ledger, broker, storage, proxy_pools.

    """

    intake: Accepting
    job_types: Container[str]
    ledger: Ledger
    broker: Broker
    dead_letters: DeadLetters
    prune: Callable[[], Awaitable[int]]
    probes: Mapping[str, Probe]
    metrics: Metrics
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """How one listener behaves.

    Attributes:
        operator_token: None leaves the operator routes open, but for changes beyond loopback.
        surface: which routes this listener has; health and documentation are on all.
        is_loopback: the listener is bound to a loopback address.

    """

    operator_token: str | None
    max_body_bytes: int
    request_timeout_ms: int
    version: str
    surface: Surface = "all"
    is_loopback: bool = False


def create_app(services: ApiServices, options: ApiOptions, *, stopping: asyncio.Event) -> Litestar:
    """Build the application; `stopping` ends followed logs and turns readiness off."""
    health = Health(
        probes=services.probes,
        clock=services.clock,
        metrics=services.metrics,
        version=options.version,
        stopping=stopping,
    )
    routers = [_answering(options, health.open_routes())]
    if options.surface != "operators":
        routers.append(_answering(options, _ingest(services, options)))
    if options.surface != "ingest":
        routers += _operators(services, options, health, stopping)
    documentation = Documentation(
        version=options.version,
        surface=options.surface,
        needs_token=options.operator_token is not None,
    )
    app = Litestar(
        route_handlers=[*routers, *documentation.routes()],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=[health.refreshing],
        openapi_config=None,
        logging_config=None,
    )
    app.asgi_handler = Access(app.asgi_handler, services.metrics)
    return app


def _answering(
    options: ApiOptions,
    handlers: list[HTTPRouteHandler],
    *,
    path: str = "/",
    guards: Sequence[Guard] = (),
) -> Router:
    """Group routes that must answer in time."""
    middleware = [with_deadline(options.request_timeout_ms)]
    return Router(path, route_handlers=handlers, middleware=middleware, guards=guards)


def _ingest(services: ApiServices, options: ApiOptions) -> list[HTTPRouteHandler]:
    return JobSubmission(
        intake=services.intake,
        job_types=services.job_types,
        max_body_bytes=options.max_body_bytes,
        metrics=services.metrics,
    ).routes()


def _operators(
    services: ApiServices, options: ApiOptions, health: Health, stopping: asyncio.Event
) -> list[Router]:
    """Return the routes behind the operator token: those with a deadline, then the streams."""
    may_write = write_guard(options.operator_token, is_loopback=options.is_loopback)
    reading = JobReading(ledger=services.ledger)
    upkeep = LedgerUpkeep(
        ledger=services.ledger,
        prune=services.prune,
        may_write=may_write,
        request_timeout_ms=options.request_timeout_ms,
    )
    dead_letters = DeadLetterRoutes(
        dead_letters=services.dead_letters, broker=services.broker, may_write=may_write
    )
    logs = LogStreaming(
        broker=services.broker,
        ledger=services.ledger,
        pause=pause_until(stopping),
        request_timeout_ms=options.request_timeout_ms,
    )
    answering = [
        *health.operator_routes(),
        *reading.routes(),
        *upkeep.routes(),
        *dead_letters.routes(),
    ]
    guards = [token_guard(options.operator_token)]
    return [
        _answering(options, answering, path=_OPERATORS, guards=guards),
        Router(_OPERATORS, route_handlers=[*upkeep.streams(), *logs.streams()], guards=guards),
    ]
