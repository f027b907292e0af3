"""The sockets of a process: where they are, who is told, and what happens if they cannot be had."""

import asyncio
import errno
import gc
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from fetchbox.api.server import serve
from fetchbox.bootstrap.errors import StartError
from fetchbox.bootstrap.parts import Announce, Parts
from fetchbox.settings.values import Address
from fetchbox.telemetry.exposition import exposition_app

logger = logging.getLogger(__name__)

METRICS_KEY: Final = "telemetry.metrics_addr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """An application and its address; `key` is the setting that names the address."""

    app: Any
    key: str
    address: Address

    async def serve(self, announce: Announce, stop: asyncio.Event, stopping: asyncio.Event) -> None:
        """Serve until `stop`; raises StartError when the address cannot be had."""

        def on_bound(host: str, port: int) -> None:
            gc.freeze()  # what was made to start stays: collections need not look at it again
            bound = Address(host=host, port=port)
            logger.info("listening", extra={"listener": self.key, "address": str(bound)})
            announce(self.key, bound)

        try:
            await serve(
                self.app,
                self.address.host,
                self.address.port,
                stop=stop,
                stopping=stopping,
                on_bound=on_bound,
            )
        except OSError as error:
            reason = error.strerror or str(error)
            msg = f"cannot listen on {self.address}: {reason}; set {self.key} to another address"
            raise StartError(msg) from error


async def listen_for_metrics(
    parts: Parts, is_ready: Callable[[], Awaitable[bool]], stop: asyncio.Event
) -> None:
    """Serve metrics and health; a taken port nobody asked for gives way to a free one."""
    address = parts.settings.telemetry.metrics_addr
    app = exposition_app(parts.metrics, is_ready)
    listener = Listener(app=app, key=METRICS_KEY, address=address)
    try:
        await listener.serve(parts.announce, stop, asyncio.Event())
    except StartError as error:
        cause = error.__cause__
        is_taken = isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE
        if not is_taken or METRICS_KEY in parts.settings.origins:
            raise
        logger.warning("port is taken, using a free one", extra={"address": str(address)})
        free = replace(listener, address=replace(address, port=0))
        await free.serve(parts.announce, stop, asyncio.Event())
