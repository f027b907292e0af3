"""An outage of all workers: a backlog is built, they start again, and its drain is timed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from tests.common.supervisor import Supervised
from tests.load.measuring import Measuring
from tests.load.result import Result
from tests.load.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """How a backlog went away."""

    tasks: int
    #: Tasks that had ended when the time was up.
    ended: int
    #: From the start of the workers to the first end, and to the last one.
    first_s: float
    last_s: float
    workers: int

    @property
    def per_s(self) -> float:
        """Tasks a second from the first end to the last."""
        return self.ended / max(self.last_s - self.first_s, 1e-3)

    def __str__(self) -> str:
        if not self.ended:
            return f"drain: {self.tasks} tasks waited, none ended in time"
        return (
            f"drain: {self.tasks} tasks, {self.ended} ended {self.last_s:.1f} s after"
            f" {self.workers} workers started (the first after {self.first_s:.1f} s):"
            f" {self.per_s:.0f} per second"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fields of drain.json."""
        return asdict(self) | {"per_s": round(self.per_s, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """The run, and the drain at its end."""

    result: Result
    drain: Drain


def drain_of(tally: Tally, started_ms: float, workers: int) -> Drain:
    """Return the drain of what waited when the workers started."""
    return Drain(
        tasks=tally.accepted_resources,
        ended=tally.stored + tally.failed,
        first_s=(tally.first_end_ms - started_ms) / 1e3,
        last_s=(tally.last_end_ms - started_ms) / 1e3,
        workers=workers,
    )


async def run_outage(measuring: Measuring) -> Outage:
    """Send while no worker runs; what a client waits for is then no promise of the service."""
    wishes = measuring.wishes
    slo = replace(wishes.limits.slo, whole_p99_ms=None)
    wishes = replace(wishes, limits=replace(wishes.limits, slo=slo))
    started_ms = 0.0
    addresses = measuring.addresses
    workers = [
        Supervised(name=f"worker-{number}", supervisor=supervisor, ready_url=f"{url}/health/ready")
        for number, (supervisor, url) in enumerate(
            zip(addresses.worker_supervisors, addresses.worker_metrics, strict=True), 1
        )
    ]

    async def start() -> None:
        nonlocal started_ms
        started_ms = time.time() * 1e3
        for worker in workers:
            await asyncio.to_thread(worker.start)

    async with replace(measuring, wishes=wishes).prepared() as run, _stopped(workers):
        result = await run(wishes.workload, start)
    return Outage(result=result, drain=drain_of(result.course.tally, started_ms, len(workers)))


@asynccontextmanager
async def _stopped(workers: list[Supervised]) -> AsyncIterator[None]:
    """Stop all; whatever happens, none stays stopped."""
    try:
        for worker in workers:
            await asyncio.to_thread(worker.terminate)
        yield
    finally:
        for worker in workers:
            state = await asyncio.to_thread(worker.state)
            if state["pid"] is None:
                await asyncio.to_thread(worker.start)
