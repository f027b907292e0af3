"""A process of services: from settings until told to stop.

Imports no service, so that a worker does without the API's libraries.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from fetchbox.bootstrap.listeners import METRICS_KEY, Listener, take_for_metrics
from fetchbox.bootstrap.parts import Announce, Parts, Service, open_parts
from fetchbox.settings.settings import Settings
from fetchbox.settings.values import Address
from fetchbox.telemetry.exposition import exposition_app

Opener = Callable[[Parts, AsyncExitStack], Awaitable[Service]]


def tell_nobody(_key: str, _address: Address) -> None:
    """Stand in where nobody wants to know what listens; the log says it all the same."""


async def run_services(
    settings: Settings,
    openers: Sequence[Opener],
    stop: asyncio.Event,
    announce: Announce = tell_nobody,
) -> None:
    """Open the parts, then the services; run until `stop` and close in reverse order.

    Raises StartError and ConfigError before anything runs.
    """
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
