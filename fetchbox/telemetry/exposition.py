"""What the metrics port serves: /metrics, /health/live, /health/ready (contract 2.6, 3.1).

A bare ASGI application: the worker needs no web framework for three routes.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, disable_created_metrics, generate_latest

from fetchbox.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
IsReady = Callable[[], Awaitable[bool]]

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    content_type: str = JSON


def exposition_app(metrics: Metrics, is_ready: IsReady) -> AsgiApp:
    """Make the application; `is_ready` is asked for each /health/ready."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here
    return _Exposition(metrics, is_ready)


class _Exposition:
    """Answers GET and HEAD."""

    def __init__(self, metrics: Metrics, is_ready: IsReady) -> None:
        self._metrics = metrics
        self._is_ready = is_ready
        self._routes: Mapping[str, Callable[[], Awaitable[_Answer]]] = {
            "/metrics": self._expose,
            "/health/live": self._live,
            "/health/ready": self._ready,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the server."""
        if scope["type"] == "lifespan":
            await _live_along(receive, send)
        elif scope["type"] == "http":
            await _send(await self._answer(scope), send, has_body=scope["method"] != "HEAD")

    async def _answer(self, scope: Scope) -> _Answer:
        route = self._routes.get(scope["path"])
        if route is None:
            return _Answer(404, b'{"status":"not found"}')
        if scope["method"] not in {"GET", "HEAD"}:
            return _Answer(405, b'{"status":"method not allowed"}')
        return await route()

    async def _expose(self) -> _Answer:
        return _Answer(200, generate_latest(self._metrics.registry), CONTENT_TYPE_LATEST)

    async def _live(self) -> _Answer:
        return _Answer(200, b'{"status":"ok"}')

    async def _ready(self) -> _Answer:
        if await self._ask():
            return _Answer(200, b'{"status":"ok"}')
        return _Answer(503, b'{"status":"not ready"}')

    async def _ask(self) -> bool:
        try:
            return await self._is_ready()
        except Exception:  # noqa: BLE001  # a probe that breaks is an answer too
            _log.exception("readiness probe failed")
            return False


async def _live_along(receive: Receive, send: Send) -> None:
    """Agree to start and to stop."""
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


async def _send(answer: _Answer, send: Send, *, has_body: bool) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if has_body else b""})
