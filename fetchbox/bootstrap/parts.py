"""What every service of a process shares: one broker, one storage, one set of metrics."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

from fetchbox.bootstrap.adapters import open_broker, open_storage, system_clock
from fetchbox.bootstrap.errors import starting
from fetchbox.broker.port import Broker
from fetchbox.model.clock import Clock
from fetchbox.settings.settings import Settings
from fetchbox.settings.values import Address
from fetchbox.storage.port import Storage
from fetchbox.telemetry.metrics import Metrics

#: Told the setting that names a listener, and where it really listens.
Announce = Callable[[str, Address], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The shared parts, open."""

    settings: Settings
    broker: Broker
    storage: Storage
    metrics: Metrics
    announce: Announce
    clock: Clock = system_clock


class Service(Protocol):
    """The API or the worker, ready to run."""

    async def is_ready(self) -> bool:
        """Tell whether it can do its work now."""
        ...

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then end in good order."""
        ...


async def open_parts(settings: Settings, announce: Announce, stack: AsyncExitStack) -> Parts:
    """Open what is shared, to be closed with `stack`; raises StartError."""
    async with starting("the broker"):
        broker = await stack.enter_async_context(open_broker(settings))
    return Parts(
        settings=settings,
        broker=broker,
        storage=await stack.enter_async_context(open_storage(settings)),
        metrics=Metrics(),
        announce=announce,
    )
