"""The ledger in one SQLite file: one process, one writing and one reading connection.

Composes the parts: the lock, rows, applying, reading, pruning. Must hold no rule of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import apsw

from fetchbox.ledger import pruning, reading
from fetchbox.ledger.applying import applied_offsets, apply_events, due_rows
from fetchbox.ledger.lock import FolderLock
from fetchbox.ledger.port import (
    Accepted,
    IdempotencyKey,
    JobFilter,
    LedgerError,
    NewJob,
    ResourceRow,
    Retention,
    Stats,
)
from fetchbox.ledger.rows import (
    JobRow,
    find_row,
    insert_row,
    new_row,
    to_job,
    update_rows,
)
from fetchbox.model.job import Job, LastError
from fetchbox.model.outcome import StatusEvent
from fetchbox.sqlite.transactions import READ, WRITE, Database, Transactions

T = TypeVar("T")

SCHEMA_VERSION: Final = "1"
#: Nobody else holds locks for long; a backup may hold one for a moment.
LOCK_WAIT_MS: Final = 5_000
#: Of pages, per connection, in KiB: what is looked up for an outcome should be in memory.
_CACHE_KIB: Final = 16_384

_COUNTS: Final = """
    SELECT count(*), ifnull(sum(completed + failed), 0), (SELECT count(*) FROM idempotency) FROM job
"""


class SqliteLedger:
    """Implements `port.Ledger`. Use as an async context manager, once."""

    def __init__(self, path: Path) -> None:
        """`path` is the folder the ledger lives in."""
        self._file = path / "ledger.db"
        self._lock = FolderLock(path / "ledger.lock")
        database = Database(path=self._file, lock_wait_ms=LOCK_WAIT_MS, unavailable=LedgerError)
        self._database = database
        self._writes = Transactions(database, begin=WRITE)
        self._reads = Transactions(database, begin=READ)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the ledger, creating it when it is missing; raises LedgerError when it is in use."""
        async with AsyncExitStack() as stack:
            self._lock.acquire()
            stack.callback(self._lock.release)
            await asyncio.to_thread(self._create)
            await self._writes.open()
            stack.push_async_callback(self._writes.close)
            await self._write(_upgrade)
            await self._reads.open()
            stack.push_async_callback(self._reads.close)
            await self._read(_enlarge_cache)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Finish what was asked for and close the ledger."""
        await self._stack.aclose()

    async def create_job(self, job: NewJob) -> None:
        """See `port.Ledger.create_job`."""
        await self._write(lambda connection: _create_job(connection, job))

    async def mark_published(self, job_id: str, *, resource_total: int, now_ms: int) -> None:
        """See `port.Ledger.mark_published`."""

        def publish(row: JobRow) -> None:
            row.total, row.is_counted = resource_total, 1
            row.published_at = now_ms

        await self._change(job_id, now_ms, publish)

    async def abort_job(self, job_id: str, error: LastError, *, now_ms: int) -> None:
        """See `port.Ledger.abort_job`."""

        def abort(row: JobRow) -> None:
            row.is_aborted = 1
            row.blame(error)

        await self._change(job_id, now_ms, abort)

    async def find_accepted(self, key: IdempotencyKey) -> Accepted | None:
        """See `port.Ledger.find_accepted`."""
        return await self._read(lambda connection: reading.find_accepted(connection, key))

    async def get(self, job_id: str) -> Job | None:
        """See `port.Ledger.get`."""
        row = await self._read(lambda connection: find_row(connection, job_id))
        return None if row is None else to_job(row)

    async def resources(self, job_id: str) -> Sequence[ResourceRow]:
        """See `port.Ledger.resources`."""

        def find(connection: apsw.Connection) -> Sequence[ResourceRow]:
            row = find_row(connection, job_id)
            return [] if row is None else reading.resources_of(connection, row)

        return await self._read(find)

    async def completed_resources(self, job_id: str) -> frozenset[str]:
        """See `port.Ledger.completed_resources`."""
        return await self._read(lambda connection: reading.completed_resources(connection, job_id))

    async def list_jobs(
        self, wanted: JobFilter, *, limit: int, before: str | None
    ) -> Sequence[Job]:
        """See `port.Ledger.list_jobs`."""
        return await self._read(
            lambda connection: reading.list_jobs(connection, wanted, limit, before)
        )

    async def list_failures(self, limit: int) -> Sequence[Job]:
        """See `port.Ledger.list_failures`."""
        return await self._read(lambda connection: reading.list_failures(connection, limit))

    async def apply(
        self, partition: int, events: Sequence[tuple[int, StatusEvent]], *, now_ms: int
    ) -> Sequence[Job]:
        """See `port.Ledger.apply`."""

        def apply(connection: apsw.Connection) -> list[JobRow]:
            apply_events(connection, partition, events, now_ms)
            return due_rows(connection)

        return [to_job(row) for row in await self._write(apply)]

    async def mark_announced(self, jobs: Sequence[Job]) -> None:
        """See `port.Ledger.mark_announced`."""
        told = [(job.job_id, job.state) for job in jobs]
        sql = "UPDATE job SET is_due = 0 WHERE job_id = ? AND state = ?"
        await self._write(lambda connection: connection.executemany(sql, told))

    async def applied(self) -> Mapping[int, int]:
        """See `port.Ledger.applied`."""
        return await self._read(applied_offsets)

    async def rewind(self, partition: int) -> None:
        """See `port.Ledger.rewind`."""
        sql = "DELETE FROM applied WHERE partition = ?"
        await self._write(lambda connection: connection.execute(sql, (partition,)))

    async def mark_finalized(self, job_id: str, *, now_ms: int) -> bool:
        """See `port.Ledger.mark_finalized`."""
        sql = "UPDATE job SET finalized_at = ? WHERE job_id = ? AND finalized_at IS NULL"

        def claim(connection: apsw.Connection) -> bool:
            connection.execute(sql, (now_ms, job_id))
            return bool(connection.changes())

        return await self._write(claim)

    async def prune(self, retention: Retention, *, now_ms: int) -> int:
        """See `port.Ledger.prune`."""
        oldest_ms = now_ms - retention.job_ttl_ms
        old = await self._repeat(lambda c: pruning.remove_old(c, oldest_ms))
        surplus = await self._repeat(lambda c: pruning.remove_surplus(c, retention.max_bytes))
        await self._repeat(lambda c: pruning.remove_keys(c, now_ms - retention.idempotency_ttl_ms))
        await self._repeat(pruning.compact)
        await self._write(lambda connection: _write_meta(connection, "last_prune", str(now_ms)))
        return old + surplus

    async def export(self) -> AsyncIterator[Mapping[str, object]]:
        """See `port.Ledger.export`."""
        after = (-1, 0)
        while True:
            start = after
            page, after = await self._read(lambda c: reading.export_page(c, start))  # noqa: B023  # awaited here
            for document in page:
                yield document
            if after == start:
                return

    async def stats(self) -> Stats:
        """See `port.Ledger.stats`."""
        jobs, resources, keys = await self._read(_counts)
        return Stats(
            jobs=jobs,
            resources=resources,
            idempotency_keys=keys,
            size_bytes=await asyncio.to_thread(self._size_bytes),
        )

    async def check(self) -> None:
        """See `port.Ledger.check`."""
        await self._read(lambda connection: connection.execute("SELECT 1 FROM meta").fetchall())
        await self._write(lambda _: None)  # every write takes the lock

    # Below: how the above reaches the connections.

    def _write(self, operation: Callable[[apsw.Connection], T]) -> asyncio.Future[T]:
        return self._writes.submit(lambda connection, _signals: operation(connection))

    def _read(self, operation: Callable[[apsw.Connection], T]) -> asyncio.Future[T]:
        return self._reads.submit(lambda connection, _signals: operation(connection))

    async def _repeat(self, step: Callable[[apsw.Connection], int]) -> int:
        total = 0
        while count := await self._write(step):
            total += count
        return total

    async def _change(self, job_id: str, now_ms: int, edit: Callable[[JobRow], None]) -> None:
        """Edit one job that must exist."""

        def change(connection: apsw.Connection) -> None:
            if (row := find_row(connection, job_id)) is None:
                msg = f"the ledger has no job {job_id}; it may have been pruned"
                raise LedgerError(msg)
            edit(row)
            row.updated_at = max(row.updated_at, now_ms)
            row.rederive()
            update_rows(connection, [row])

        await self._write(change)

    def _create(self) -> None:
        """Make the file; whether pages can be given back is settled with its first page."""
        if self._file.exists() and self._file.stat().st_size:
            return
        try:
            connection = apsw.Connection(str(self._file))
            try:
                connection.execute(
                    "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; "
                    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
                )
            finally:
                connection.close()
        except apsw.Error as error:
            raise self._database.translated(error) from error

    def _size_bytes(self) -> int:
        wal = self._file.with_name(f"{self._file.name}-wal")
        return sum(path.stat().st_size for path in (self._file, wal) if path.exists())


def _upgrade(connection: apsw.Connection) -> None:
    """Make the tables; refuse those of another version."""
    _enlarge_cache(connection)
    found = _read_meta(connection, "schema_version")
    if found not in {None, SCHEMA_VERSION}:
        msg = (
            f"the ledger has schema version {found}, and this release reads {SCHEMA_VERSION}; "
            "run the release that wrote it, or move the folder away to start an empty one"
        )
        raise LedgerError(msg)
    connection.execute(files("fetchbox.ledger").joinpath("ledger.sql").read_text())
    _write_meta(connection, "schema_version", SCHEMA_VERSION)


def _read_meta(connection: apsw.Connection, name: str) -> str | None:
    if not connection.table_exists("main", "meta"):
        return None
    rows = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchall()
    return str(rows[0][0]) if rows else None


def _counts(connection: apsw.Connection) -> tuple[int, int, int]:
    rows: list[Any] = connection.execute(_COUNTS).fetchall()
    jobs, resources, keys = rows[0]
    return jobs, resources, keys


def _enlarge_cache(connection: apsw.Connection) -> None:
    connection.pragma("cache_size", -_CACHE_KIB)


def _write_meta(connection: apsw.Connection, name: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def _create_job(connection: apsw.Connection, job: NewJob) -> None:
    if not insert_row(connection, new_row(job)):
        msg = f"the ledger has a job {job.job_id} already; job ids are used once"
        raise LedgerError(msg)
    if (key := job.idempotency) is not None:
        connection.execute(
            "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)",
            (key.tenant, key.job_type, key.key, job.job_id, job.created_at_ms),
        )
