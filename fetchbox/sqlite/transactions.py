"""Group commit: operations on one SQLite connection, many per transaction, off the event loop.

Whatever arrives while a transaction runs shares the next one, and with it one fsync. Knows no
table; must not let an SQLite error out untranslated.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from fetchbox.model.failure import FetchBoxError

T = TypeVar("T")

#: Runs inside a transaction; adds to the set what to announce once that is durable.
Operation = Callable[[apsw.Connection, set[bytes]], T]

READ: Final = "BEGIN"
#: A deferred transaction that turns writer fails at once when another process wrote in between.
WRITE: Final = "BEGIN IMMEDIATE"

#: Tries for a lock are this far apart at most: SQLite's own steps of 100 ms let others starve us.
LOCK_STEP_MS: Final = 5

_REASONS: Final = {
    apsw.BusyError: "stays locked by another process",
    apsw.CantOpenError: "cannot be opened",
    apsw.CorruptError: "is damaged",
    apsw.FullError: "is on a full disk",
    apsw.IOError: "cannot be read or written",
    apsw.NotADBError: "is no SQLite database",
    apsw.ReadOnlyError: "is read-only",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One file, how long its locks are waited for, and the error its faults become."""

    path: Path
    lock_wait_ms: int
    unavailable: Callable[[str], FetchBoxError]

    def fault(self, reason: str) -> FetchBoxError:
        """Make the error that says the file is, or cannot be, `reason`."""
        return self.unavailable(f"the database {self.path.name} {reason}")

    def translated(self, error: BaseException) -> BaseException:
        """Return what a caller is to see of `error`."""
        if not isinstance(error, apsw.Error):
            return error
        fault = self.fault(_REASONS.get(type(error), f"failed with {type(error).__name__}"))
        fault.__cause__ = error
        return fault


class Transactions:
    """One connection and the thread it lives on. Used from one event loop."""

    def __init__(
        self,
        database: Database,
        *,
        begin: str,
        announce: Callable[[set[bytes]], None] = lambda _: None,
    ) -> None:
        """Transactions start with `begin`; `announce` is called on the thread after a commit."""
        self._database = database
        self._begin = begin
        self._announce = announce
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=database.path.stem)
        self._pending: list[tuple[Operation[Any], asyncio.Future[Any]]] = []
        self._is_running = False
        self.is_open = False

    async def open(self, schema: str = "") -> None:
        """Connect and apply `schema`, which must be harmless to repeat."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._executor, self._connect, schema)
        except apsw.Error as error:
            self._executor.shutdown()
            raise self._database.translated(error) from error
        self.is_open = True

    async def close(self) -> None:
        """Finish what was submitted, then disconnect. Harmless to repeat."""
        if not self.is_open:
            return
        try:
            with suppress(FetchBoxError):  # whoever waits for a result has been told
                await self.submit(lambda _connection, _signals: None)
        finally:
            self.is_open = False
            await asyncio.get_running_loop().run_in_executor(self._executor, self._disconnect)
            self._executor.shutdown()

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Queue `operation`; its future ends once it is durable, or with the database's fault."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self.is_open:
            future.set_exception(self._database.fault("is closed"))
            return future
        self._pending.append((operation, future))
        if not self._is_running:
            self._is_running = True
            # Not at once: what other tasks submit in this turn of the loop shares the transaction.
            loop.call_soon(self._start)
        return future

    def _start(self) -> None:
        batch, self._pending = self._pending, []
        operations = [operation for operation, _ in batch]
        futures = [future for _, future in batch]
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._executor, self._transact, operations)
        done.add_done_callback(partial(self._finish, futures))

    def _finish(
        self,
        futures: Sequence[asyncio.Future[Any]],
        done: asyncio.Future[list[Any]],
    ) -> None:
        error = done.exception()
        outcomes = [self._database.translated(error) for _ in futures] if error else done.result()
        for future, outcome in zip(futures, outcomes, strict=True):
            if future.done():  # its caller was cancelled
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        self._is_running = bool(self._pending)
        if self._is_running:
            self._start()

    # Below: on the thread.

    def _connect(self, schema: str) -> None:
        connection = self._connection = apsw.Connection(str(self._database.path))
        connection.set_busy_handler(self._wait_for_lock)
        connection.pragma("page_size", 8192)
        self._switch_to_wal(connection)
        connection.pragma("synchronous", "FULL")
        connection.pragma("wal_autocheckpoint", 4000)
        if schema:
            connection.execute(f"{WRITE}; {schema}; COMMIT")

    def _switch_to_wal(self, connection: apsw.Connection) -> None:
        """SQLite asks no busy handler here, so processes that make the file together collide."""
        for tries in count():
            try:
                connection.pragma("journal_mode", "wal")
            except apsw.BusyError:
                if not self._wait_for_lock(tries):
                    raise
            else:
                return

    def _disconnect(self) -> None:
        self._connection.close()

    def _wait_for_lock(self, tries: int) -> bool:
        time.sleep(min(tries + 1, LOCK_STEP_MS) / 1000)
        return tries * LOCK_STEP_MS < self._database.lock_wait_ms

    def _transact(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        connection = self._connection
        signals: set[bytes] = set()
        connection.execute(self._begin)
        try:
            outcomes = [_outcome(operation, connection, signals) for operation in operations]
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        if signals:
            self._announce(signals)
        return outcomes


def _outcome(operation: Operation[Any], connection: apsw.Connection, signals: set[bytes]) -> object:
    """Run one operation; a refusal is its own caller's, anything else ends the transaction."""
    try:
        return operation(connection, signals)
    except FetchBoxError as error:
        return error
