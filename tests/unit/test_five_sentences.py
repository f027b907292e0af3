"""The five sentences of docs/architecture.md, each by a test of the same name."""

import ast
import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fetchbox.broker import streams
from fetchbox.broker.port import BrokerUnavailableError, Published
from fetchbox.ledger.sqlite import SqliteLedger
from fetchbox.model.job import JobState
from fetchbox.model.outcome import Outcome, StatusEvent
from fetchbox.model.retry import RetryPolicy
from fetchbox.storage.port import StoredObject, UploadOptions
from fetchbox.telemetry.metrics import Metrics
from fetchbox.wire.codec import encode_task
from fetchbox.worker.download import BodyLimits, Downloader, Means
from fetchbox.worker.plan import PlanLimits
from fetchbox.worker.service import WorkerPolicy, WorkerPorts, WorkerService
from fetchbox.worker.target import Errand
from tests.factories import JOB_ID, NOW_MS, make_new_job, make_task
from tests.fakes.broker import FakeBroker
from tests.fakes.fetcher import Answer, FakeFetcher
from tests.fakes.log import FakeLog
from tests.fakes.storage import DEFAULT_BUCKET, FakeStorage

PRODUCT = Path(__file__).parents[2] / "fetchbox"
ADAPTERS = {
    "fetchbox.broker.sqlite",
    "fetchbox.broker.iggy",
    "fetchbox.storage.objects",
    "fetchbox.fetch.http",
    "fetchbox.ledger.sqlite",
}


class DeafBroker(FakeBroker):
    """Refuses what is published to one topic; tells when that happens and when a status is in."""

    def __init__(self, log: FakeLog, deaf_to: str = "") -> None:
        super().__init__(log)
        self.deaf_to = deaf_to
        self.refused, self.told = asyncio.Event(), asyncio.Event()

    async def publish(self, topic: str, key: str, payloads: Sequence[bytes]) -> Published:
        if topic == self.deaf_to:
            self.refused.set()
            message = "scripted: cannot publish"
            raise BrokerUnavailableError(message)
        published = await super().publish(topic, key, payloads)
        if topic == streams.STATUS:
            self.told.set()
        return published


def make_worker(broker: FakeBroker, storage: FakeStorage, *, is_found: bool) -> WorkerService:
    fetcher = FakeFetcher()
    fetcher.script("http://origin.test/r1", Answer(status=200 if is_found else 404, body=b"body"))
    ports = WorkerPorts(
        broker=broker,
        storage=storage,
        fetcher=fetcher,
        metrics=Metrics(),
        clock=lambda: NOW_MS,
    )
    policy = WorkerPolicy(
        worker_id="w",
        bucket=DEFAULT_BUCKET,
        multipart_threshold_bytes=1024,
        publish_retry=RetryPolicy(max_attempts=3, base_ms=1, cap_ms=1),
    )
    return WorkerService(ports, policy, handlers={}, pools={})


@asynccontextmanager
async def running(worker: WorkerService) -> AsyncIterator[asyncio.Event]:
    """Let it work; at the end it dies on the spot, unless it was told to stop."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        work = group.create_task(worker.run(stop))
        yield stop
        if not stop.is_set():
            work.cancel()


def committed(log: FakeLog) -> int:
    return sum(log.committed[streams.TASKS, streams.WORKERS].values())


@pytest.mark.parametrize(
    ("deaf_to", "is_found"),
    [
        pytest.param(streams.STATUS, True, id="stored, outcome not told"),
        pytest.param(streams.LOGS, True, id="stored, log not told"),
        pytest.param(streams.DLQ, False, id="given up, dead letter not told"),
        pytest.param(streams.STATUS, False, id="given up, outcome not told"),
    ],
)
async def test_settle_last(deaf_to: str, *, is_found: bool) -> None:
    log, storage = FakeLog(), FakeStorage()
    broker = DeafBroker(log, deaf_to)
    specs = streams.topic_specs(tasks_days=1, status_days=1, logs_days=1, dlq_days=1)
    await broker.ensure(specs)
    await broker.publish(streams.TASKS, JOB_ID, [encode_task(make_task())])

    async with asyncio.timeout(5), running(make_worker(broker, storage, is_found=is_found)):
        await broker.refused.wait()
    assert committed(log) == 0

    for members in log.members.values():
        members.clear()
    healthy = DeafBroker(log)
    successor = make_worker(healthy, storage, is_found=is_found)
    async with asyncio.timeout(5), running(successor) as stop:
        await healthy.told.wait()
        stop.set()
    assert committed(log) == 1


async def test_effects_are_keyed_never_counted(tmp_path: Path) -> None:
    def told(state: JobState) -> StatusEvent:
        outcome = Outcome(resource_id="r1", state=state, failure_code="X" * (state == "failed"))
        return StatusEvent(
            job_id=JOB_ID,
            job_type="default",
            state=JobState.IN_PROGRESS,
            resources_completed=1,
            outcomes=(outcome,),
            source="worker:w",
        )

    repeats = [JobState.FAILED, JobState.FAILED, JobState.COMPLETED, JobState.COMPLETED]
    async with SqliteLedger(tmp_path) as ledger:
        await ledger.create_job(make_new_job(resource_count=2))
        await ledger.mark_published(JOB_ID, resource_total=2, now_ms=NOW_MS)
        events = list(enumerate(map(told, repeats)))
        await ledger.apply(0, events, now_ms=NOW_MS)
        await ledger.apply(0, events, now_ms=NOW_MS)
        job = await ledger.get(JOB_ID)
    assert job is not None
    assert (job.resource_completed, job.resource_failed) == (1, 0)
    assert job.state is JobState.IN_PROGRESS


def test_workers_never_see_the_ledger_and_the_tracker_never_downloads() -> None:
    assert not _rooms_seen_by("worker") & {"ledger", "sqlite", "tracking", "api"}
    assert not _rooms_seen_by("tracking") & {"fetch", "storage", "worker", "api"}


class MeasuredAnswer(Answer):
    """Counts what has been handed out."""

    given = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in super().chunks():
            type(self).given += len(chunk)
            yield chunk


class ThirstyStorage(FakeStorage):
    """Takes a stream chunk by chunk and keeps nothing; `most` is how much was ever held back."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = self.most = 0

    async def put_stream(
        self, options: UploadOptions, chunks: AsyncIterator[bytes]
    ) -> StoredObject:
        async for chunk in chunks:
            self.most = max(self.most, MeasuredAnswer.given - self.taken)
            self.taken += len(chunk)
        return StoredObject(bucket=options.bucket, key=options.key, etag="", size_bytes=self.taken)


@pytest.mark.parametrize("is_chunked", [True, False], ids=["length unknown", "length known"])
async def test_a_body_is_never_held_whole(*, is_chunked: bool) -> None:
    body, threshold, chunk = bytes(8_000_000), 100_000, 10_000
    MeasuredAnswer.given = 0
    fetcher, storage = FakeFetcher(), ThirstyStorage()
    answer = MeasuredAnswer(body=body, chunk_bytes=chunk, is_chunked=is_chunked)
    fetcher.script("http://origin.test/r1", answer)
    means = Means(
        fetcher=fetcher,
        storage=storage,
        clock=lambda: NOW_MS,
        on_failed=lambda _: None,
        on_downloaded=lambda *_: None,
    )
    errand = Errand(
        task=make_task(),
        headers=(),
        endpoints=(),
        bucket=DEFAULT_BUCKET,
        key="k",
        expected_sha256=None,
    )
    limits = BodyLimits(multipart_threshold=threshold)
    await Downloader(means, PlanLimits(), limits).run(errand)
    assert storage.taken == len(body)
    assert storage.most <= threshold + chunk


def test_only_bootstrap_knows_which_adapter() -> None:
    guilty = {
        f"{_name_of(path)} -> {name}"
        for path in PRODUCT.rglob("*.py")
        for name in _imports_of(path) & ADAPTERS
        if not _name_of(path).startswith("fetchbox.bootstrap")
    }
    assert guilty == set()
    assert any(_imports_of(path) & ADAPTERS for path in PRODUCT.glob("bootstrap/*.py"))


def _rooms_seen_by(room: str) -> set[str]:
    paths = list((PRODUCT / room).rglob("*.py"))
    assert paths
    names = {name for path in paths for name in _imports_of(path)}
    return {name.split(".")[1] for name in names if name.startswith("fetchbox.")}


def _imports_of(path: Path) -> set[str]:
    """Every module a file imports, wherever in it."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _name_of(path: Path) -> str:
    return ".".join(path.relative_to(PRODUCT.parent).with_suffix("").parts)
