"""Entry points: the API, the worker, or both in one process, from settings until told to stop."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

from fetchbox.bootstrap.api import open_api
from fetchbox.bootstrap.listeners import METRICS_KEY, Listener, take_for_metrics
from fetchbox.bootstrap.parts import Announce, Parts, Service, open_parts
from fetchbox.bootstrap.worker import open_worker
from fetchbox.settings.settings import Settings
from fetchbox.settings.values import Address
from fetchbox.telemetry.exposition import exposition_app

Opener = Callable[[Parts, AsyncExitStack], Awaitable[Service]]

#: Defaults of `fetchbox dev`, below every configuration file: nobody else can reach it.
DEV_DEFAULTS: Final = {
    "server.bind_addr": "127.0.0.1:8080",
    "telemetry.metrics_addr": "127.0.0.1:9090",
}


def tell_nobody(_key: str, _address: Address) -> None:
    """Stand in where nobody wants to know what listens; the log says it all the same."""


async def run_api(
    settings: Settings, stop: asyncio.Event, announce: Announce = tell_nobody
) -> None:
    """Run the API until `stop`."""
    await _run(settings, (open_api,), stop, announce)


async def run_worker(
    settings: Settings, stop: asyncio.Event, announce: Announce = tell_nobody
) -> None:
    """Run a worker until `stop`."""
    await _run(settings, (open_worker,), stop, announce)


async def run_dev(
    settings: Settings,
    stop: asyncio.Event,
    announce: Announce = tell_nobody,
    *,
    beside: Sequence[Opener] = (),
) -> None:
    """Run API and worker in one process until `stop`, and other services beside them."""
    await _run(settings, (*beside, open_api, open_worker), stop, announce)


async def _run(
    settings: Settings, openers: Sequence[Opener], stop: asyncio.Event, announce: Announce
) -> None:
    async with AsyncExitStack() as stack:
        parts = await open_parts(settings, announce, stack)
        services = [await opener(parts, stack) for opener in openers]

        async def is_ready() -> bool:
            return all([await service.is_ready() for service in services])

        metrics = Listener(
            app=exposition_app(parts.metrics, is_ready),
            key=METRICS_KEY,
            socket=take_for_metrics(settings, stack),
        )
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(metrics.serve(announce, ended, asyncio.Event()))
            async with asyncio.TaskGroup() as running:
                for service in services:
                    running.create_task(service.run(stop))
            ended.set()  # metrics stay readable while the services drain
