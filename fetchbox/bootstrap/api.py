"""The API service: intake, operators, the status follower, pruning, provisioning."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from fetchbox.api.app import ApiOptions, ApiServices, create_app
from fetchbox.api.health import Health
from fetchbox.api.openapi import Surface
from fetchbox.bootstrap.adapters import open_ledger
from fetchbox.bootstrap.errors import starting
from fetchbox.bootstrap.listeners import Listener, take
from fetchbox.bootstrap.parts import Announce, Parts
from fetchbox.bootstrap.patience import persist, wait_for_topic
from fetchbox.bootstrap.probes import Probes
from fetchbox.bootstrap.run import run_services, tell_nobody
from fetchbox.broker import streams
from fetchbox.handlers.registry import HandlerPathError, HandlerRegistry, build_registry
from fetchbox.intake.accept import Intake
from fetchbox.ledger.port import Ledger
from fetchbox.operations.provision import provision
from fetchbox.operations.replay import DeadLetterDesk
from fetchbox.settings import derived
from fetchbox.settings.problems import ConfigError
from fetchbox.settings.settings import Settings
from fetchbox.settings.values import Address
from fetchbox.tracking.follow import StatusFollower
from fetchbox.tracking.prune import Pruner
from fetchbox.version import __version__

logger = logging.getLogger(__name__)

BIND_KEY: Final = "server.bind_addr"
OPERATOR_KEY: Final = "server.operator_bind_addr"

#: How long listening waits for topics and buckets; a broker that is away must not keep it.
PROVISION_FIRST_S: Final = 2.0

_OPEN: Final = (
    "operator routes are open to everyone who reaches this address, and changes are refused: "
    "set server.operator_token"
)


def make_registry(settings: Settings) -> HandlerRegistry:
    """Make every handler; raises ConfigError for a path that leads nowhere."""
    try:
        return build_registry(derived.handler_configs(settings))
    except HandlerPathError as error:
        raise ConfigError([str(error)]) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiService:
    """Implements `parts.Service`."""

    parts: Parts
    listeners: Sequence[Listener]
    follower: StatusFollower
    pruner: Pruner
    health: Health
    stopping: asyncio.Event

    async def is_ready(self) -> bool:
        """Tell whether ledger, broker and storage are well."""
        return (await self.health.check()).status == "ok"

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until stopped; the last requests are finished before anything is closed."""
        async with asyncio.TaskGroup() as group:
            provisioning = group.create_task(self._provision(stop))
            await asyncio.wait({provisioning}, timeout=PROVISION_FIRST_S)
            group.create_task(self._follow(stop))
            group.create_task(self.pruner.run(stop))
            for listener in self.listeners:
                serving = listener.serve(self.parts.announce, stop, self.stopping)
                group.create_task(serving)
            await stop.wait()
            provisioning.cancel()

    async def _provision(self, stop: asyncio.Event) -> None:
        settings = self.parts.settings
        if not derived.auto_provisions(settings):
            return
        make = partial(provision, broker=self.parts.broker, storage=self.parts.storage)
        topics = partial(make, topics=derived.topics(settings), buckets=())
        buckets = partial(make, topics=(), buckets=derived.buckets(settings))
        async with asyncio.TaskGroup() as group:  # neither has to wait for the other
            group.create_task(persist("create topics", topics, stop))
            group.create_task(persist("create buckets", buckets, stop))

    async def _follow(self, stop: asyncio.Event) -> None:
        await wait_for_topic(self.parts.broker, streams.STATUS, stop)
        await self.follower.run(stop)


async def open_api(parts: Parts, stack: AsyncExitStack) -> ApiService:
    """Open the ledger and put the API together; raises StartError and ConfigError."""
    settings, stopping = parts.settings, asyncio.Event()
    registry = make_registry(settings)
    async with starting("the ledger"):
        ledger = await stack.enter_async_context(open_ledger(settings.server.ledger_path))
    pruner = Pruner(
        ledger=ledger,
        retention=derived.retention(settings),
        metrics=parts.metrics,
        clock=parts.clock,
    )
    services = _services(parts, ledger, registry, pruner)
    return ApiService(
        parts=parts,
        listeners=_take_listeners(settings, services, stopping, stack),
        follower=StatusFollower(
            broker=parts.broker, ledger=ledger, handlers=registry, clock=parts.clock
        ),
        pruner=pruner,
        health=Health(
            probes=services.probes,
            clock=parts.clock,
            metrics=parts.metrics,
            version=__version__,
            stopping=stopping,
        ),
        stopping=stopping,
    )


async def run_api(
    settings: Settings, stop: asyncio.Event, announce: Announce = tell_nobody
) -> None:
    """Run the API until `stop`."""
    await run_services(settings, (open_api,), stop, announce)


def _services(
    parts: Parts, ledger: Ledger, registry: HandlerRegistry, pruner: Pruner
) -> ApiServices:
    intake = Intake(
        broker=parts.broker,
        storage=parts.storage,
        ledger=ledger,
        handlers=registry,
        policy=derived.intake_policy(parts.settings),
        clock=parts.clock,
    )
    return ApiServices(
        intake=intake,
        job_types=registry.configs(),
        ledger=ledger,
        broker=parts.broker,
        dead_letters=DeadLetterDesk(broker=parts.broker, ledger=ledger, clock=parts.clock),
        prune=pruner.prune_once,
        probes=Probes(parts=parts).of_api(ledger),
        metrics=parts.metrics,
        clock=parts.clock,
    )


def _take_listeners(
    settings: Settings, services: ApiServices, stopping: asyncio.Event, stack: AsyncExitStack
) -> list[Listener]:
    """Take one address for all routes, or one for clients and one for operators."""
    server = settings.server
    surfaces: list[tuple[Surface, str, Address]] = [("all", BIND_KEY, server.bind_addr)]
    if (address := server.operator_bind_addr) is not None:
        surfaces = [("ingest", BIND_KEY, server.bind_addr), ("operators", OPERATOR_KEY, address)]
    listeners = []
    for surface, key, address in surfaces:
        options = _options(settings, surface, address)
        app = create_app(services, options, stopping=stopping)
        listeners.append(Listener(app=app, key=key, socket=take(key, address, stack)))
    return listeners


def _options(settings: Settings, surface: Surface, address: Address) -> ApiOptions:
    server = settings.server
    token = derived.revealed(server.operator_token)
    if surface != "ingest" and not token and not address.is_loopback:
        logger.warning(_OPEN, extra={"address": str(address)})
    return ApiOptions(
        operator_token=token,
        max_body_bytes=server.max_manifest_bytes,
        request_timeout_ms=server.request_timeout_ms,
        version=__version__,
        surface=surface,
        is_loopback=address.is_loopback,
    )
