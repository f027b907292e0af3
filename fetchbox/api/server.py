"""Serve an application with uvicorn inside our own event loop, and end it in good order.

Signals are the caller's business: they set `stop`.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

import uvicorn

#: Requests still running after this many seconds are cancelled.
GRACE_S: Final = 30

#: Told the real address once connections are answered; port 0 asks the system for a free one.
OnBound = Callable[[str, int], None]


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()


async def serve(
    app: Any,
    host: str,
    port: int,
    *,
    stop: asyncio.Event,
    stopping: asyncio.Event,
    on_bound: OnBound = lambda _host, _port: None,
) -> None:
    """Serve until `stop` is set; then end open streams, stop accepting, finish requests.

    Raises OSError when the address cannot be bound.
    """
    with bind(host, port) as listener:
        await serve_on(listener, app, stop=stop, stopping=stopping, on_bound=on_bound)


def bind(host: str, port: int) -> socket.socket:
    """Take an address; who connects waits until it is served. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


async def serve_on(
    listener: socket.socket,
    app: Any,
    *,
    stop: asyncio.Event,
    stopping: asyncio.Event,
    on_bound: OnBound = lambda _host, _port: None,
) -> None:
    """Do as `serve` on an address already taken; closes it."""
    address = listener.getsockname()
    server = _Server(_config(app), lambda: on_bound(address[0], address[1]))
    async with asyncio.TaskGroup() as group:
        ending = group.create_task(_end(server, stop, stopping))
        await server.serve(sockets=[listener])
        ending.cancel()


async def _end(server: uvicorn.Server, stop: asyncio.Event, stopping: asyncio.Event) -> None:
    await stop.wait()
    stopping.set()
    server.should_exit = True


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",  # its comings and goings are told by whoever serves
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
