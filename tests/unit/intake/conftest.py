"""Intake over a broker and storage in memory and a real ledger, every call in one journal."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fetchbox.broker.streams import topic_specs
from fetchbox.handlers.port import HandlerConfig, JobHandler
from fetchbox.handlers.registry import BUILT_IN, HandlerRegistry, build_registry
from fetchbox.intake.accept import Intake, IntakePolicy, Receipt, Submission
from fetchbox.model.manifest import ManifestLimits
from fetchbox.model.retry import RetryPolicy
from fetchbox.model.task import DownloadTask
from fetchbox.wire.codec import decode_task
from tests.factories import NOW_MS, TRACE_ID, make_manifest
from tests.fakes.faulty import FaultyBroker, FaultyLedger, FaultyStorage, Journal

BUCKET = "fetchbox-default"
#: Three tries, without waiting.
AT_ONCE = RetryPolicy(max_attempts=3, base_ms=0, cap_ms=0)
DAY_MS = 86_400_000


@dataclass
class Desk:
    """An Intake and everything behind it."""

    journal: Journal
    broker: FaultyBroker
    storage: FaultyStorage
    ledger: FaultyLedger
    handlers: HandlerRegistry
    now_ms: int = NOW_MS
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        self.intake = Intake(
            broker=self.broker,
            storage=self.storage,
            ledger=self.ledger,
            handlers=self.handlers,
            policy=IntakePolicy(
                bucket=BUCKET,
                default_prefix="",
                limits=ManifestLimits(),
                retry=AT_ONCE,
                idempotency_ttl_ms=14 * DAY_MS,
                pools=frozenset(),
            ),
            clock=lambda: self.now_ms,
        )

    async def submit(self, body: bytes | None = None, **matters: Any) -> Receipt:
        submission = {
            "job_type": "default",
            "tenant": None,
            "idempotency_key": None,
            "trace_id": TRACE_ID,
            "body": json.dumps(make_manifest()).encode() if body is None else body,
            **matters,
        }
        return await self.intake.accept(Submission(**submission))

    def serve(self, handler: JobHandler, **config: Any) -> None:
        """Let `handler` serve the job type `own`."""
        self.handlers.register("own", handler, HandlerConfig(**config))

    def tasks(self) -> list[DownloadTask]:
        return [decode_task(payload) for payload in self.broker.payloads("jobs.tasks")]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    journal = Journal()
    broker, storage = FaultyBroker(journal), FaultyStorage(journal)
    await broker.ensure(topic_specs(tasks_days=7, status_days=14, logs_days=30, dlq_days=90))
    await storage.ensure_bucket(BUCKET)
    async with FaultyLedger(tmp_path, journal) as ledger:
        yield Desk(journal, broker, storage, ledger, build_registry(BUILT_IN))
