"""API and worker in one process, for development."""

import asyncio
from collections.abc import Sequence
from typing import Final

from fetchbox.bootstrap.api import open_api
from fetchbox.bootstrap.parts import Announce
from fetchbox.bootstrap.run import Opener, run_services, tell_nobody
from fetchbox.bootstrap.worker import open_worker
from fetchbox.settings.settings import Settings

#: Defaults of `fetchbox dev`, below every configuration file: nobody else can reach it.
DEV_DEFAULTS: Final = {
    "server.bind_addr": "127.0.0.1:8080",
    "telemetry.metrics_addr": "127.0.0.1:9090",
}


async def run_dev(
    settings: Settings,
    stop: asyncio.Event,
    announce: Announce = tell_nobody,
    *,
    beside: Sequence[Opener] = (),
) -> None:
    """Run API and worker until `stop`, and other services beside them."""
    await run_services(settings, (*beside, open_api, open_worker), stop, announce)
