"""A whole worker over fakes: broker, fetcher and storage in memory."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from fetchbox.broker.port import Published
from fetchbox.broker.streams import partition_of, topic_specs
from fetchbox.fetch.port import FetchRequest
from fetchbox.handlers.port import HandlerConfig
from fetchbox.model.outcome import DeadLetter, LogEvent, StatusEvent
from fetchbox.model.retry import RetryPolicy
from fetchbox.model.task import DownloadTask
from fetchbox.telemetry.metrics import Metrics
from fetchbox.wire.codec import decode_dead_letter, decode_log, decode_status, encode_task
from fetchbox.worker.service import WorkerPolicy, WorkerPorts, WorkerService
from tests.factories import JOB_ID, NOW_MS, make_task
from tests.fakes.broker import FakeBroker
from tests.fakes.fetcher import Answer, FakeFetcher
from tests.fakes.meter import Meter
from tests.fakes.storage import FakeStorage

POLICY = {
    "worker_id": "w1",
    "bucket": "fetchbox-default",
    "multipart_threshold_bytes": 100,
    "publish_retry": RetryPolicy(max_attempts=3, base_ms=0, cap_ms=0),
    "status_flush_interval_ms": 3_600_000,
}


class TellingBroker(FakeBroker):
    """Sets `told` when a status is published."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()

    async def publish(self, topic: str, key: str, payloads: Sequence[bytes]) -> Published:
        place = await super().publish(topic, key, payloads)
        if topic == "jobs.status":
            self.told.set()
        return place


class GatedFetcher(FakeFetcher):
    """Lever: `gate`; closed, every request waits at it. Looks: `running` and `most` per host."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    @asynccontextmanager
    async def fetch(self, request: FetchRequest) -> AsyncIterator[Answer]:
        host = request.url.split("/")[2]
        self.running[host] += 1
        self.most[host] = max(self.most[host], self.running[host])
        self.most["all"] = max(self.most["all"], self.running.total())
        try:
            await self.gate.wait()
            if request.url not in self._scripts:
                self.script(request.url, Answer(body=request.url.encode()))
            async with super().fetch(request) as answer:
                yield answer
        finally:
            self.running[host] -= 1


async def everything_that_can_run() -> None:
    """Nothing here waits for time or sockets: after some turns all that is left waits for us."""
    for _ in range(300):
        await asyncio.sleep(0)


@dataclass
class Plant:
    """Workers and what they work with; one broker, so that workers can follow each other."""

    broker: TellingBroker = field(default_factory=TellingBroker)
    fetcher: GatedFetcher = field(default_factory=GatedFetcher)
    storage: FakeStorage = field(default_factory=FakeStorage)
    metrics: Metrics = field(default_factory=Metrics)
    handlers: dict[str, HandlerConfig] = field(default_factory=dict)
    slept: list[float] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.meter = Meter(self.metrics.registry)

    def make_worker(self, **policy: Any) -> WorkerService:
        return WorkerService(
            WorkerPorts(
                broker=self.broker,
                storage=self.storage,
                fetcher=self.fetcher,
                metrics=self.metrics,
                clock=lambda: NOW_MS,
                sleep=self._sleep,
            ),
            WorkerPolicy(**{**POLICY, **policy}),
            handlers=self.handlers,
            pools={},
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    @asynccontextmanager
    async def working(self, **policy: Any) -> AsyncIterator[WorkerService]:
        """Run a worker; leaving the context stops it and waits for its end."""
        worker, self.stop = self.make_worker(**policy), asyncio.Event()
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(worker.run(self.stop))
            await everything_that_can_run()
            try:
                yield worker
            finally:
                self.stop.set()

    async def work(self, **policy: Any) -> None:
        """Let a worker do what there is to do, and stop it."""
        async with self.working(**policy):
            await everything_that_can_run()

    async def queue(self, *ids: str, **matters: Any) -> None:
        """Put tasks of one job on the broker."""
        made = [self.task(name, **matters) for name in ids]
        job_id = matters.get("job_id", JOB_ID)
        await self.broker.publish("jobs.tasks", job_id, [encode_task(task) for task in made])

    @staticmethod
    def task(name: str, host: str = "origin.test", **matters: Any) -> DownloadTask:
        return make_task(**{"resource_id": name, "url": f"http://{host}/{name}", **matters})

    @property
    def stored(self) -> list[str]:
        return [key.rpartition("/")[2] for _, key in self.storage.objects]

    def committed(self, job_id: str = JOB_ID) -> int:
        """How many tasks of the job's partition are done for good."""
        committed = self.broker.log.committed["jobs.tasks", "workers"]
        return committed.get(partition_of(job_id, 8), 0)

    def statuses(self) -> list[StatusEvent]:
        return [decode_status(payload) for payload in self.broker.payloads("jobs.status")]

    def logs(self) -> list[LogEvent]:
        return [decode_log(payload) for payload in self.broker.payloads("jobs.logs")]

    def letters(self) -> list[DeadLetter]:
        return [decode_dead_letter(payload) for payload in self.broker.payloads("jobs.dlq")]


@pytest.fixture
async def plant() -> Plant:
    made = Plant()
    await made.broker.ensure(topic_specs(tasks_days=1, status_days=1, logs_days=1, dlq_days=1))
    return made
