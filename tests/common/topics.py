"""The broker as a direct producer and a curious operator use it, one client per kind of broker.

`publish_task` puts a DownloadTask on jobs.tasks; `read` looks at messages and moves no group.
"""

import asyncio
import re
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

import xxhash
from google.protobuf import json_format

from fetchbox.wire import jobs_pb2 as pb
from tests.common.addresses import Addresses
from tests.common.cli import run_fetchbox

TASKS: Final = "jobs.tasks"
STATUS: Final = "jobs.status"
LOGS: Final = "jobs.logs"
DLQ: Final = "jobs.dlq"

PARTITIONS: Final = {TASKS: 8, STATUS: 4, LOGS: 4, DLQ: 2}
#: Iggy's stream, and how long one call may take.
STREAM: Final = "fetchbox"
CALL_S: Final = 5.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One message of a topic."""

    partition: int
    offset: int
    payload: bytes
    #: When the broker took it.
    at_ms: float


class Topics(Protocol):
    """What tests need of either broker."""

    def publish_task(self, task: pb.DownloadTask) -> None:
        """Put a task on jobs.tasks, as a direct producer does."""
        ...

    def read(self, topic: str, job_id: str) -> Sequence[Record]:
        """Return the messages of a job's partition that mention the job, in order."""
        ...

    def committed(self, topic: str, group: str) -> Mapping[int, int] | None:
        """Return where a group resumes, by partition; None where the broker does not tell."""
        ...


def resume_offsets(described: str, topic: str, group: str) -> Mapping[int, int]:
    """Read where a group resumes, by partition, off what `fetchbox streams describe` prints."""
    line = rf"^{re.escape(topic)} +partition (\d+): .*; {re.escape(group)} at (\d+)"
    return {int(number): int(at) for number, at in re.findall(line, described, re.MULTILINE)}


def partition_of(topic: str, job_id: str) -> int:
    """Return the partition of a job (contract 4.4)."""
    return xxhash.xxh32_intdigest(job_id.encode(), seed=0) % PARTITIONS[topic]


def topics_of(addresses: Addresses) -> Topics:
    """Make the client for the broker of the stack."""
    if addresses.is_iggy:
        return IggyTopics(addresses.broker)
    return SqliteTopics(Path(urlsplit(addresses.broker).path))


@dataclass(frozen=True, slots=True)
class SqliteTopics:
    """Reads the file, read-only; writes through `fetchbox streams publish-task`."""

    path: Path

    def publish_task(self, task: pb.DownloadTask) -> None:
        """See `Topics`."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "task.json"
            file.write_text(json_format.MessageToJson(task), encoding="utf-8")
            done = run_fetchbox(
                "streams",
                "publish-task",
                "--file",
                str(file),
                env={
                    "FETCHBOX__BROKER__PROVIDER": "sqlite",
                    "FETCHBOX__BROKER__PATH": str(self.path),
                },
            )
        shown = f"{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, f"publish-task failed with {done.returncode}: {shown}"

    def read(self, topic: str, job_id: str) -> Sequence[Record]:
        """See `Topics`."""
        where = (topic, partition_of(topic, job_id), job_id.encode())
        uri = f"file:{self.path}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=5)) as connection:
            rows = connection.execute(
                "SELECT number, offset, payload, at_ms FROM messages"
                " JOIN partitions ON partitions.id = messages.partition"
                " WHERE topic = ? AND number = ? AND instr(payload, ?) ORDER BY offset",
                where,
            ).fetchall()
        return [
            Record(partition=row[0], offset=row[1], payload=row[2], at_ms=row[3]) for row in rows
        ]

    def committed(self, topic: str, group: str) -> Mapping[int, int]:
        """See `Topics`."""
        uri = f"file:{self.path}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=5)) as connection:
            rows = connection.execute(
                "SELECT number, committed FROM cursors"
                " JOIN partitions ON partitions.id = cursors.partition"
                " WHERE topic = ? AND group_name = ? AND committed IS NOT NULL",
                (topic, group),
            ).fetchall()
        return dict(rows)


@dataclass(frozen=True, slots=True)
class IggyTopics:
    """Talks to the server through the SDK, one short connection per call."""

    url: str

    def publish_task(self, task: pb.DownloadTask) -> None:
        """See `Topics`."""
        from apache_iggy import SendMessage  # noqa: PLC0415  # an extra: only where Iggy is

        payload, partition = task.SerializeToString(), partition_of(TASKS, task.job_id)
        self._run(
            lambda client: client.send_messages(STREAM, TASKS, partition, [SendMessage(payload)])
        )

    def read(self, topic: str, job_id: str) -> Sequence[Record]:
        """See `Topics`."""
        partition = partition_of(topic, job_id)
        records = self._run(lambda client: _poll_all(client, topic, partition))
        needle = job_id.encode()
        return [record for record in records if needle in record.payload]

    def committed(self, topic: str, group: str) -> Mapping[int, int] | None:
        """See `Topics`. The SDK does not tell; `fetchbox streams describe` does."""
        parts = urlsplit(self.url)
        told = run_fetchbox(
            "streams",
            "describe",
            env={
                "FETCHBOX__BROKER__PROVIDER": "iggy",
                "FETCHBOX__IGGY__ENDPOINT": f"iggy://{parts.hostname}:{parts.port}",
                "FETCHBOX__IGGY__CLIENT_ID": parts.username or "",
                "FETCHBOX__IGGY__CLIENT_SECRET": parts.password or "",
            },
        )
        return resume_offsets(told.stdout, topic, group) if told.returncode == 0 else None

    def _run(self, call: Callable[[Any], Awaitable[T]]) -> T:
        from apache_iggy import IggyClient  # noqa: PLC0415  # an extra: only where Iggy is

        async def connected() -> T:
            async with asyncio.timeout(CALL_S):
                client = IggyClient.from_connection_string(
                    f"{self.url}?reconnection_retries=1&reconnection_interval=100ms"
                )
                await client.connect()
                return await call(client)

        return asyncio.run(connected())


async def _poll_all(client: Any, topic: str, partition: int) -> list[Record]:
    from apache_iggy import PollingStrategy  # noqa: PLC0415  # an extra: only where Iggy is

    records: list[Record] = []
    offset = 0
    while True:
        polled = await client.poll_messages(
            STREAM, topic, partition, PollingStrategy.Offset(offset), 1000, auto_commit=False
        )
        if not polled:
            return records
        records.extend(
            Record(
                partition=partition,
                offset=message.offset(),
                payload=bytes(message.payload()),
                at_ms=message.timestamp() / 1000,  # given in microseconds
            )
            for message in polled
        )
        offset = records[-1].offset + 1


def dead_letters(topics: Topics, job_id: str) -> list[pb.DeadLetterTask]:
    """Return the dead letters of a job, oldest first."""
    return [pb.DeadLetterTask.FromString(record.payload) for record in topics.read(DLQ, job_id)]


def outcomes(topics: Topics, job_id: str) -> Iterator[pb.ResourceOutcome]:
    """Yield what workers reported about the resources of a job, repeats included."""
    for record in topics.read(STATUS, job_id):
        yield from pb.JobStatus.FromString(record.payload).outcomes
