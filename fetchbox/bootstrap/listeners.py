"""The sockets of a process: taken before anything runs, so that a start fails in one line."""

import asyncio
import errno
import gc
import logging
import os
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

from fetchbox.api.server import bind, serve_on
from fetchbox.bootstrap.errors import StartError
from fetchbox.bootstrap.parts import Announce
from fetchbox.settings.settings import Settings
from fetchbox.settings.values import Address

logger = logging.getLogger(__name__)

METRICS_KEY: Final = "telemetry.metrics_addr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """An application on an address of its own; `key` is the setting that names the address."""

    app: Any
    key: str
    socket: socket.socket

    async def serve(self, announce: Announce, stop: asyncio.Event, stopping: asyncio.Event) -> None:
        """Serve until `stop`; `stopping` is set before open streams are ended."""

        def on_bound(host: str, port: int) -> None:
            gc.freeze()  # what was made to start stays: collections need not look at it again
            bound = Address(host=host, port=port)
            logger.info("listening", extra={"listener": self.key, "address": str(bound)})
            announce(self.key, bound)

        await serve_on(self.socket, self.app, stop=stop, stopping=stopping, on_bound=on_bound)


def take(key: str, address: Address, stack: AsyncExitStack) -> socket.socket:
    """Take an address until `stack` closes; raises StartError."""
    try:
        return stack.enter_context(bind(address.host, address.port))
    except OSError as error:
        is_system = error.errno is not None and error.errno > 0
        reason = os.strerror(error.errno) if is_system and error.errno else error.strerror
        msg = f"cannot listen on {address}: {reason}; set {key} to another address"
        raise StartError(msg) from error


def take_for_metrics(settings: Settings, stack: AsyncExitStack) -> socket.socket:
    """Take the address of metrics; a taken port nobody asked for gives way to a free one."""
    address = settings.telemetry.metrics_addr
    try:
        return take(METRICS_KEY, address, stack)
    except StartError as error:
        cause = error.__cause__
        is_taken = isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE
        if not is_taken or METRICS_KEY in settings.origins:
            raise
    logger.warning("port is taken, using a free one", extra={"address": str(address)})
    return take(METRICS_KEY, replace(address, port=0), stack)
