"""The broker in one SQLite file: one host, several processes, no server.

Composes the parts: operations (`sqlite_log`, `sqlite_groups`), the two connections they run on
(`transactions`), members (`sqlite_subscription`) and the wake-up. Must not hold SQL.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Final, Self

import apsw

from fetchbox.broker import sqlite_log as log
from fetchbox.broker.port import (
    BrokerUnavailableError,
    Message,
    PartitionSpan,
    Published,
    Subscription,
    TopicSpec,
)
from fetchbox.broker.rounds import Rounds
from fetchbox.broker.sqlite_groups import Member, bury
from fetchbox.broker.sqlite_subscription import Pace, SqliteSubscription
from fetchbox.broker.wakeup import Wakeup
from fetchbox.model.clock import Clock
from fetchbox.model.retry import RetryPolicy, backoff_ms
from fetchbox.sqlite.transactions import READ, WRITE, Database, Transactions
from fetchbox.telemetry.tracing import span, tag

LOCK_WAIT_MS: Final = 5_000
PAGE_MESSAGES: Final = 1_000
#: How much slower to poll where the wake-up works and polling only covers for lost datagrams.
CALM: Final = 10
TRIM_INTERVAL_S: Final = 60


class SqliteBroker:
    """Implements `port.Broker`. Use as an async context manager, once."""

    def __init__(
        self,
        *,
        path: Path,
        lease_ms: int = 10_000,
        poll_interval_ms: int = 100,
        clock: Clock,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Wait for a locked file as long as the waits of `retry` add up to."""
        self._path = path
        self._lease_ms = lease_ms
        self._poll_interval_ms = poll_interval_ms
        self._clock = clock
        self._wakeup = Wakeup(path)
        wait_ms = LOCK_WAIT_MS if retry is None else _total_ms(retry)
        database = Database(path=path, lock_wait_ms=wait_ms, unavailable=BrokerUnavailableError)
        self._writes = Transactions(database, begin=WRITE, announce=self._wakeup.send)
        self._reads = Transactions(database, begin=READ)
        self._subscriptions: set[SqliteSubscription] = set()
        self._trims = Rounds(self._start_trim, self._end_trim)
        self._trim_timer: asyncio.TimerHandle | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the file, creating it when it is missing."""
        schema = files("fetchbox.broker").joinpath("broker.sql").read_text()
        async with AsyncExitStack() as stack:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                msg = f"the folder of the broker database cannot be made: {error.strerror}"
                raise BrokerUnavailableError(msg) from error
            self._wakeup.open(self._on_signal, self._on_death)
            stack.callback(self._wakeup.close)
            await self._writes.open(schema)
            stack.push_async_callback(self._writes.close)
            await self._reads.open()
            stack.push_async_callback(self._reads.close)
            stack.callback(self._stop_trimming)
            self._plan_trim(TRIM_INTERVAL_S)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Finish what was asked for and close the file."""
        await self._stack.aclose()

    async def ensure(self, topics: Sequence[TopicSpec]) -> Sequence[str]:
        """See `port.Broker.ensure`."""

        def create(connection: apsw.Connection, _signals: set[bytes]) -> list[str]:
            warnings = [log.create_topic(connection, spec) for spec in topics]
            return [warning for warning in warnings if warning]

        warnings = await self._writes.submit(create)
        await asyncio.shield(self._trims.join())
        return warnings

    async def publish(self, topic: str, key: str, payloads: Sequence[bytes]) -> Published:
        """See `port.Broker.publish`."""
        batch = log.Batch(topic, key, payloads, self._clock())
        with span("publish", stream=topic):
            placed = await self._writes.submit(batch.append)
            tag(partition=placed.partition)
        return placed

    @asynccontextmanager
    async def subscribe(
        self, topic: str, group: str, *, window: int
    ) -> AsyncIterator[Subscription]:
        """See `port.Broker.subscribe`; raises BrokerUnavailableError for an unknown topic."""
        subscription = SqliteSubscription(
            Member.of_process(self._wakeup.name, topic, group),
            self._pace(window),
            reads=self._reads,
            writes=self._writes,
            clock=self._clock,
        )
        self._subscriptions.add(subscription)
        try:
            await subscription.join()
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            await subscription.leave()

    async def read(
        self, topic: str, partition: int, offset: int, *, limit: int = 1000
    ) -> AsyncIterator[Message]:
        """See `port.Broker.read`."""
        place = await self._reads.submit(lambda c, _: log.locate(c, topic, partition))
        if place is None:
            return
        row, end = place
        while limit > 0:
            stretch = log.Stretch(row, offset, min(limit, PAGE_MESSAGES))
            page = await self._reads.submit(
                partial(_read_page, number=partition, stretch=stretch, end=end)
            )
            if not page:
                return
            for message in page:
                yield message
            offset = page[-1].offset + 1
            limit -= len(page)

    async def describe(self, topic: str) -> Sequence[PartitionSpan]:
        """See `port.Broker.describe`."""
        return await self._reads.submit(lambda c, _: log.spans(c, topic))

    async def purge(self, topic: str) -> None:
        """See `port.Broker.purge`. What is published meanwhile stays."""
        below = await self._reads.submit(lambda c, _: log.ends(c, topic))
        while not await self._writes.submit(lambda c, _: log.delete_step(c, below)):
            pass

    def _pace(self, window: int) -> Pace:
        poll_interval_ms = self._poll_interval_ms * (CALM if self._wakeup.is_listening else 1)
        return Pace(window=window, lease_ms=self._lease_ms, poll_interval_ms=poll_interval_ms)

    def _on_signal(self, signal: bytes) -> None:
        kind, topic = signal[:1], signal[1:].decode(errors="replace")
        for subscription in self._subscriptions:
            if subscription.member.topic != topic:
                continue
            if kind == log.MESSAGES:
                subscription.stir()
            else:
                subscription.reconsider()

    def _on_death(self, process: str) -> None:
        """Free what a dead process held at once; should that fail, its leases still run out."""
        burying = self._writes.submit(lambda c, signals: bury(c, process, signals))
        burying.add_done_callback(asyncio.Future.exception)

    # Retention: a step a minute, and the next at once while there is more to delete.

    def _plan_trim(self, delay_s: float) -> None:
        self._stop_trimming()
        self._trim_timer = asyncio.get_running_loop().call_later(delay_s, self._trims.join)

    def _stop_trimming(self) -> None:
        if self._trim_timer is not None:
            self._trim_timer.cancel()

    def _start_trim(self) -> asyncio.Future[bool]:
        now_ms = self._clock()
        return self._writes.submit(lambda c, _: log.trim_step(c, now_ms))

    def _end_trim(self, done: asyncio.Future[bool]) -> None:
        is_complete = done.exception() is not None or done.result()
        if self._writes.is_open:
            self._plan_trim(TRIM_INTERVAL_S if is_complete else 0)


def _read_page(
    connection: apsw.Connection,
    _signals: set[bytes],
    *,
    number: int,
    stretch: log.Stretch,
    end: int,
) -> list[Message]:
    return log.read_page(connection, number, stretch, end)


def _total_ms(retry: RetryPolicy) -> int:
    return sum(
        backoff_ms(retry.base_ms, failed, retry.cap_ms) for failed in range(1, retry.max_attempts)
    )
