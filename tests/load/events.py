"""Ends of resources as they come on jobs.logs, and how far the groups are behind.

The cheapest witness there is: it costs the API nothing, and bears the worker's own time.
Reads along; moves no group's offset.
"""

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from fetchbox.wire import jobs_pb2 as pb
from tests.common.topics import LOGS, PARTITIONS, STREAM
from tests.load.group_offsets import GroupOffsets, OffsetsAwayError
from tests.load.tally import Ended, Tally

BATCH: Final = 1000
CALL_S: Final = 5.0
_ENDS: Final = {"task.completed": True, "task.failed": False}
_RETRY: Final = "task.retry"


class EventsAwayError(Exception):
    """The broker cannot be asked now."""


class Events(Protocol):
    """What a broker tells a bystander."""

    async def skip(self) -> None:
        """Pass over all there is; to be called before the first manifest leaves."""
        ...

    async def read(self) -> Sequence[bytes]:
        """Return what has come on jobs.logs since the last call."""
        ...

    async def lag(self, topic: str, group: str) -> int:
        """Return how many messages of a topic a group has not settled."""
        ...


@dataclass(kw_only=True)
class SqliteEvents:
    """The file of the SQLite broker, opened read-only."""

    path: Path
    _next: dict[int, int] = field(default_factory=dict)

    async def skip(self) -> None:
        """See `Events`."""
        rows = await asyncio.to_thread(
            self._ask, "SELECT number, next FROM partitions WHERE topic = ?", LOGS
        )
        self._next = dict(rows)

    async def read(self) -> Sequence[bytes]:
        """See `Events`."""
        return await asyncio.to_thread(self._read)

    async def lag(self, topic: str, group: str) -> int:
        """See `Events`."""
        ((behind,),) = await asyncio.to_thread(
            self._ask,
            "SELECT coalesce(sum(next - coalesce(committed, 0)), 0) FROM partitions LEFT JOIN"
            " cursors ON cursors.partition = id AND group_name = ? WHERE topic = ?",
            group,
            topic,
        )
        return int(behind)

    def _read(self) -> list[bytes]:
        payloads = []
        for number in range(PARTITIONS[LOGS]):
            rows = self._ask(
                "SELECT offset, payload FROM messages JOIN partitions ON id = partition"
                " WHERE topic = ? AND number = ? AND offset >= ? ORDER BY offset",
                LOGS,
                number,
                self._next.get(number, 0),
            )
            if rows:
                self._next[number] = rows[-1][0] + 1
                payloads += [row[1] for row in rows]
        return payloads

    def _ask(self, question: str, *values: str | int) -> list[Any]:
        uri = f"file:{self.path}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=5)) as connection:
                return connection.execute(question, values).fetchall()
        except sqlite3.Error as error:
            raise EventsAwayError(str(error)) from error


@dataclass(kw_only=True)
class IggyEvents:
    """The server, by the SDK and explicit offsets."""

    url: str
    _next: dict[int, int] = field(default_factory=dict)
    _client: Any = None
    _offsets: GroupOffsets = field(init=False)

    def __post_init__(self) -> None:
        """Connect nothing yet."""
        self._offsets = GroupOffsets(url=self.url)

    async def skip(self) -> None:
        """See `Events`."""
        for number in range(PARTITIONS[LOGS]):
            self._next[number] = await self._end(LOGS, number)

    async def read(self) -> Sequence[bytes]:
        """See `Events`."""
        from apache_iggy import PollingStrategy  # noqa: PLC0415  # an extra: only where Iggy is

        payloads = []
        for number in range(PARTITIONS[LOGS]):
            while found := await self._poll(
                LOGS, number, PollingStrategy.Offset(self._next.get(number, 0)), BATCH
            ):
                self._next[number] = found[-1].offset() + 1
                payloads += [bytes(message.payload()) for message in found]
        return payloads

    async def lag(self, topic: str, group: str) -> int:
        """See `Events`. The SDK does not tell the offsets of a group; its protocol does."""
        try:
            behind = await self._offsets.behind(topic, group)
        except OffsetsAwayError as error:
            raise EventsAwayError(str(error)) from error
        unknown = [number for number, count in behind.items() if count is None]
        ends = [await self._end(topic, number) for number in unknown]
        return sum(ends) + sum(filter(None, behind.values()))

    async def _end(self, topic: str, number: int) -> int:
        from apache_iggy import PollingStrategy  # noqa: PLC0415  # an extra: only where Iggy is

        last = await self._poll(topic, number, PollingStrategy.Last(), 1)
        return int(last[-1].offset()) + 1 if last else 0

    async def _poll(self, topic: str, number: int, strategy: Any, count: int) -> Sequence[Any]:
        from apache_iggy import IggyClient  # noqa: PLC0415  # an extra: only where Iggy is

        try:
            async with asyncio.timeout(CALL_S):
                if self._client is None:
                    client = IggyClient.from_connection_string(
                        f"{self.url}?reconnection_retries=1&reconnection_interval=100ms"
                    )
                    await client.connect()
                    self._client = client
                found: Sequence[Any] = await self._client.poll_messages(
                    STREAM, topic, number, strategy, count, auto_commit=False
                )
                return found
        except (RuntimeError, TimeoutError) as error:
            raise EventsAwayError(str(error)) from error


def events_of(broker: str) -> Events:
    """Return the witness for a broker, named as FETCHBOX_TEST_BROKER names it."""
    if broker.startswith("iggy://"):
        return IggyEvents(url=broker)
    return SqliteEvents(path=Path(urlsplit(broker).path))


def count_events(payloads: Iterable[bytes], tenant: str, tally: Tally) -> None:
    """Count what is of this run."""
    for payload in payloads:
        event = pb.JobLog.FromString(payload)
        kind = event.fields.get("event", "")
        if event.fields.get("tenant") != tenant:
            continue
        if kind == _RETRY:
            tally.retries += 1
        elif kind in _ENDS:
            tally.took(
                Ended(
                    job_id=event.job_id,
                    resource_id=event.resource_id,
                    at_ms=event.timestamp_ms,
                    is_stored=_ENDS[kind],
                    duration_ms=int(event.fields.get("duration_ms", 0)),
                )
            )
