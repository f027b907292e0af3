"""Real ports that fail on demand and note what was asked of them, in one journal."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from fetchbox.broker.port import PartitionSpan, Published
from fetchbox.ledger.port import Accepted, IdempotencyKey, NewJob
from fetchbox.ledger.sqlite import SqliteLedger
from fetchbox.model.job import LastError
from fetchbox.storage.objects import memory_storage
from fetchbox.storage.port import Storage, StoredObject, UploadOptions
from tests.fakes.broker import FakeBroker

T = TypeVar("T")
Hook = Callable[[], Awaitable[None]]


@dataclass
class Journal:
    """What was asked for, in order, and which calls shall fail.

    A call's name is its verb and what it is about, e.g. `publish jobs.tasks`. Levers: `fail_next`
    (in turn, one error per call), `before` (something to await first, each time).
    """

    calls: list[str] = field(default_factory=list)
    failures: dict[str, list[BaseException]] = field(default_factory=lambda: defaultdict(list))
    before: dict[str, Hook] = field(default_factory=dict)

    def fail_next(self, name: str, *errors: BaseException) -> None:
        self.failures[name].extend(errors)

    async def run(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        self.calls.append(name)
        if (hook := self.before.get(name)) is not None:
            await hook()
        if self.failures[name]:
            raise self.failures[name].pop(0)
        return await call()


class FaultyBroker(FakeBroker):
    """A FakeBroker with a journal."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self.journal = journal

    async def publish(self, topic: str, key: str, payloads: Sequence[bytes]) -> Published:
        publish = super().publish
        return await self.journal.run(f"publish {topic}", lambda: publish(topic, key, payloads))

    async def describe(self, topic: str) -> Sequence[PartitionSpan]:
        describe = super().describe
        return await self.journal.run(f"describe {topic}", lambda: describe(topic))


class FaultyLedger(SqliteLedger):
    """The real ledger with a journal; only what intake calls is noted."""

    def __init__(self, path: Path, journal: Journal) -> None:
        super().__init__(path)
        self.journal = journal

    async def find_accepted(self, key: IdempotencyKey) -> Accepted | None:
        find = super().find_accepted
        return await self.journal.run("find", lambda: find(key))

    async def create_job(self, job: NewJob) -> None:
        create = super().create_job
        await self.journal.run("create", lambda: create(job))

    async def mark_published(self, job_id: str, *, resource_total: int, now_ms: int) -> None:
        mark = super().mark_published
        await self.journal.run(
            "mark", lambda: mark(job_id, resource_total=resource_total, now_ms=now_ms)
        )

    async def abort_job(self, job_id: str, error: LastError, *, now_ms: int) -> None:
        abort = super().abort_job
        await self.journal.run("abort", lambda: abort(job_id, error, now_ms=now_ms))


class FaultyStorage:
    """Storage in memory with a journal. For asserts: `options` of what was stored."""

    def __init__(self, journal: Journal, inner: Storage | None = None) -> None:
        self.journal = journal
        self.inner = inner or memory_storage()
        self.options: list[UploadOptions] = []

    async def put(self, options: UploadOptions, body: bytes) -> StoredObject:
        stored = await self.journal.run("put", lambda: self.inner.put(options, body))
        self.options.append(options)
        return stored

    async def put_stream(
        self, options: UploadOptions, chunks: AsyncIterator[bytes]
    ) -> StoredObject:
        stored = await self.journal.run("stream", lambda: self.inner.put_stream(options, chunks))
        self.options.append(options)
        return stored

    async def get(self, bucket: str, key: str) -> bytes:
        return await self.inner.get(bucket, key)

    async def delete(self, bucket: str, key: str) -> None:
        await self.journal.run("delete", lambda: self.inner.delete(bucket, key))

    async def ensure_bucket(self, bucket: str) -> None:
        await self.inner.ensure_bucket(bucket)

    async def check(self, bucket: str) -> None:
        await self.inner.check(bucket)
