"""The worker service: waits for its topics, then downloads until told to stop."""

import asyncio
import logging
import os
import secrets
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

from fetchbox.bootstrap.adapters import open_fetcher
from fetchbox.bootstrap.parts import Announce, Parts
from fetchbox.bootstrap.patience import persist, wait_for_topic
from fetchbox.bootstrap.readiness import Readiness
from fetchbox.bootstrap.run import run_services, tell_nobody
from fetchbox.broker import streams
from fetchbox.settings import derived
from fetchbox.settings.settings import Settings
from fetchbox.worker.service import WorkerPorts, WorkerService

logger = logging.getLogger(__name__)


def make_worker_id() -> str:
    """Name this worker in logs: host, process id, and what tells restarts apart."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadService:
    """Implements `parts.Service`."""

    parts: Parts
    worker: WorkerService
    worker_id: str
    readiness: Readiness = field(init=False)

    def __post_init__(self) -> None:
        """Ask storage only when the worker consumes."""
        readiness = Readiness(service="worker", metrics=self.parts.metrics, check=self._check_ready)
        object.__setattr__(self, "readiness", readiness)

    async def _check_ready(self) -> bool:
        if not self.worker.is_ready:
            return False
        await self.parts.storage.check(self.parts.settings.storage.bucket)
        return True

    async def is_ready(self) -> bool:
        """Tell whether tasks are consumed and objects can be stored."""
        return await self.readiness.is_ready()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until stopped, then drain."""
        async with asyncio.TaskGroup() as group:
            refreshing = group.create_task(self.readiness.refresh())
            await wait_for_topic(self.parts.broker, streams.TASKS, stop)
            if not stop.is_set():
                logger.info("worker starts", extra={"worker_id": self.worker_id})
            await persist("consume tasks", partial(self.worker.run, stop), stop)
            refreshing.cancel()
        logger.info("worker stopped", extra={"worker_id": self.worker_id})


async def open_worker(parts: Parts, stack: AsyncExitStack) -> DownloadService:
    """Open the HTTP client and put the worker together."""
    worker_id = make_worker_id()
    fetcher = await stack.enter_async_context(open_fetcher(parts.settings))
    worker = WorkerService(
        WorkerPorts(
            broker=parts.broker,
            storage=parts.storage,
            fetcher=fetcher,
            metrics=parts.metrics,
            clock=parts.clock,
        ),
        derived.worker_policy(parts.settings, worker_id),
        handlers=derived.handler_configs(parts.settings),
        pools=derived.proxy_pools(parts.settings),
    )
    return DownloadService(parts=parts, worker=worker, worker_id=worker_id)


async def run_worker(
    settings: Settings, stop: asyncio.Event, announce: Announce = tell_nobody
) -> None:
    """Run a worker until `stop`."""
    await run_services(settings, (open_worker,), stop, announce)
