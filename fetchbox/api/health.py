"""Health: what the API needs, probed at once and with a deadline each (contract 2.5, 2.6)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from fetchbox.api.answers import ALIVE, AliveAnswer, ComponentAnswer, HealthAnswer
from fetchbox.api.errors import RETRY_AFTER, caught
from fetchbox.api.route_group import RouteGroup
from fetchbox.model.clock import Clock
from fetchbox.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

#: Returns a detail to show; raises when the component is down.
Probe = Callable[[], Awaitable[str | None]]

CRITICAL: Final = frozenset({"api", "ledger", "broker", "storage"})
COMPONENTS: Final = ("api", "ledger", "broker", "storage", "proxy_pools")
PROBE_DEADLINE_S: Final = 2.0
#: How long a good answer of a component is believed, in ms; others are asked each time.
BELIEVED_MS: Final[Mapping[str, int]] = {"storage": 60_000}
#: How often the gauge is refreshed when nobody asks.
REFRESH_S: Final = 10.0

_UNKNOWN: Final = ComponentAnswer(status="unknown", detail=None)


@dataclass(kw_only=True)
class Health(RouteGroup):
    """Asks the probes and remembers good answers."""

    probes: Mapping[str, Probe]
    clock: Clock
    metrics: Metrics
    version: str
    stopping: asyncio.Event
    deadline_s: float = PROBE_DEADLINE_S
    _good: dict[str, tuple[int, ComponentAnswer]] = field(default_factory=dict, init=False)

    async def check(self) -> HealthAnswer:
        """Probe every component; `degraded` when a critical one is not ok."""
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(self._ask(name)) for name in self.probes}
        found = {name: task.result() for name, task in tasks.items()}
        components = dict.fromkeys(COMPONENTS, _UNKNOWN) | found | {"api": self._own()}
        is_ok = all(components[name].status == "ok" for name in CRITICAL)
        self.metrics.ready.labels("api").set(is_ok)
        return HealthAnswer(
            status="ok" if is_ok else "degraded", components=components, version=self.version
        )

    def _own(self) -> ComponentAnswer:
        if self.stopping.is_set():
            return ComponentAnswer(status="degraded", detail="shutting down")
        return ComponentAnswer(status="ok", detail=None)

    async def _ask(self, name: str) -> ComponentAnswer:
        now_ms = self.clock()
        asked_ms, good = self._good.get(name, (0, None))
        if good is not None and now_ms - asked_ms < BELIEVED_MS.get(name, 0):
            return good
        answer = await self._probe(name)
        if answer.status == "ok":
            self._good[name] = (now_ms, answer)
        return answer

    async def _probe(self, name: str) -> ComponentAnswer:
        try:
            async with asyncio.timeout(self.deadline_s):
                detail, cause = await caught(self.probes[name]())
        except TimeoutError:
            detail, cause = None, f"no answer within {self.deadline_s:g} s"
        if cause is None:
            return ComponentAnswer(status="ok", detail=detail)
        logger.warning("component is down", extra={"component": name, "cause": cause})
        return ComponentAnswer(status="degraded", detail=cause)

    async def refresh(self) -> None:
        """Keep the readiness gauge fresh until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(REFRESH_S)

    @asynccontextmanager
    async def refreshing(self, _app: Any) -> AsyncIterator[None]:
        """Refresh for as long as the application runs."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.refresh())
            try:
                yield
            finally:
                task.cancel()

    def open_routes(self) -> list[HTTPRouteHandler]:
        """Routes without a token: /health, /health/live, /health/ready."""
        return [
            get("/health")(self.report),
            get("/health/live")(self.live),
            get("/health/ready")(self.report_ready),
        ]

    def operator_routes(self) -> list[HTTPRouteHandler]:
        """Routes behind the token."""
        return [get("/health")(self.report_operators)]

    async def live(self) -> AliveAnswer:
        """Answer as long as the process runs."""
        return ALIVE

    async def report(self) -> Response[HealthAnswer]:
        """Answer 200 when every critical component is ok, else 503."""
        answer = await self.check()
        if answer.status == "ok":
            return Response(answer)
        return Response(answer, status_code=503, headers=RETRY_AFTER)

    report_ready = report
    report_operators = report
