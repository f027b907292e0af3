"""When the ledger is pruned, and what is told about it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fetchbox.ledger.port import LedgerError
from fetchbox.telemetry.metrics import Metrics
from fetchbox.tracking.prune import GAUGES_S, Pruner
from tests.fakes.ledger import DAY_MS, KEEP_ALL, NOW, FlakyLedger, make_job
from tests.fakes.meter import Meter


@dataclass
class Round:
    """A pruner whose time passes when the test says so: `minutes` of it, then none."""

    ledger: FlakyLedger
    now_ms: int = NOW
    metrics: Metrics = field(default_factory=Metrics)
    delays: list[float] = field(default_factory=list)
    minutes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def pause(self, delay_s: float) -> None:
        self.delays.append(delay_s)
        await self.minutes.acquire()

    def pass_minutes(self, count: int) -> None:
        for _ in range(count):
            self.minutes.release()

    @property
    def pruner(self) -> Pruner:
        return Pruner(
            ledger=self.ledger,
            retention=KEEP_ALL,
            metrics=self.metrics,
            clock=lambda: self.now_ms,
            sleep=self.pause,
        )

    async def rounds(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.delays) < count:
                await self.ledger.check()


@pytest.fixture
async def turn(tmp_path: Path) -> AsyncIterator[Round]:
    async with FlakyLedger(path=tmp_path) as ledger:
        yield Round(ledger)


async def test_pruning_counts_and_sets_the_gauges(turn: Round) -> None:
    await turn.ledger.create_job(make_job("old"))
    await turn.ledger.create_job(make_job("new", created_at_ms=NOW + 40 * DAY_MS))
    turn.now_ms = NOW + 40 * DAY_MS
    meter = Meter(turn.metrics.registry)

    assert await turn.pruner.prune_once() == 1

    assert meter.growth("fetchbox_ledger_pruned_jobs_total") == 1
    assert meter.growth("fetchbox_ledger_jobs") == 1
    assert meter.growth("fetchbox_ledger_size_bytes") > 0


async def test_failure_reaches_whoever_asked(turn: Round) -> None:
    turn.ledger.fail_prune_next(LedgerError("disk full"))
    with pytest.raises(LedgerError):
        await turn.pruner.prune_once()


async def test_pruning_happens_at_start_and_every_hour(turn: Round) -> None:
    await turn.ledger.create_job(make_job())
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(turn.pruner.run(stop))
        await turn.rounds(1)
        assert await turn.ledger.get("j-1") is not None

        turn.now_ms = NOW + 40 * DAY_MS
        turn.pass_minutes(59)
        await turn.rounds(60)
        assert await turn.ledger.get("j-1") is not None
        turn.pass_minutes(1)
        await turn.rounds(61)
        assert await turn.ledger.get("j-1") is None
        stop.set()
    assert set(turn.delays) == {GAUGES_S}


async def test_gauges_follow_within_a_minute(turn: Round) -> None:
    meter = Meter(turn.metrics.registry)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(turn.pruner.run(stop))
        await turn.rounds(1)
        assert meter.growth("fetchbox_ledger_jobs") == 0

        await turn.ledger.create_job(make_job())
        turn.pass_minutes(1)
        await turn.rounds(2)
        assert meter.growth("fetchbox_ledger_jobs") == 1
        stop.set()


async def test_failure_waits_for_the_next_round(
    turn: Round, caplog: pytest.LogCaptureFixture
) -> None:
    turn.ledger.fail_prune_next(LedgerError("disk full"))
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(turn.pruner.run(stop))
        await turn.rounds(1)
        stop.set()
    assert "upkeep of the ledger failed" in caplog.messages
