"""A service that has been busy for long: queue and ledger, filled by the adapters in seconds.

The one module of the load tests that knows the product from inside.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from uuid_utils import uuid7

from fetchbox.broker.sqlite import SqliteBroker
from fetchbox.broker.streams import LOGS, PARTITIONS, TASKS, WORKERS, partition_of, topic_specs
from fetchbox.ledger.port import NewJob
from fetchbox.ledger.sqlite import SqliteLedger
from fetchbox.model.job import Pointer
from fetchbox.model.task import DownloadTask
from fetchbox.wire.codec import encode_task

#: How many writes are under way at once: they share transactions.
AT_ONCE: Final = 1000
#: How often a queue that is kept at its depth is looked at.
GLANCE_S: Final = 0.1
PER_JOB: Final = 10


def now_ms() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1_000_000


def open_broker(folder: Path) -> SqliteBroker:
    """Return the broker of a service that runs in a folder; see `service.settings_of`."""
    return SqliteBroker(path=folder / "broker.db", clock=now_ms)


async def seed(folder: Path, *, jobs: int, url: str) -> list[str]:
    """Queue jobs of ten tasks each, as if they had been posted; return their ids."""
    job_ids = [str(uuid7()) for _ in range(jobs)]
    async with open_broker(folder) as broker, SqliteLedger(folder / "ledger") as ledger:
        specs = topic_specs(tasks_days=7, status_days=14, logs_days=30, dlq_days=90)
        await broker.ensure(specs)
        for some in _portions(job_ids):
            await asyncio.gather(*(ledger.create_job(_job(job_id)) for job_id in some))
            await _queue(broker, some, url)
            await asyncio.gather(
                *(
                    ledger.mark_published(job_id, resource_total=PER_JOB, now_ms=now_ms())
                    for job_id in some
                )
            )
    return job_ids


async def keep_depth(folder: Path, depth: int, url: str) -> None:
    """Queue what workers take away, until cancelled."""
    async with open_broker(folder) as broker:
        while True:
            spans = await broker.describe(TASKS)
            waiting = sum(span.next - span.committed.get(WORKERS, 0) for span in spans)
            missing = max(depth - waiting, 0) // PER_JOB
            for some in _portions([str(uuid7()) for _ in range(missing)]):
                await _queue(broker, some, url)
            await asyncio.sleep(GLANCE_S)


def _portions(job_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (job_ids[first : first + AT_ONCE] for first in range(0, len(job_ids), AT_ONCE))


async def _queue(broker: SqliteBroker, job_ids: Sequence[str], url: str) -> None:
    await asyncio.gather(
        *(broker.publish(TASKS, job_id, _tasks(job_id, url)) for job_id in job_ids)
    )


def _tasks(job_id: str, url: str) -> list[bytes]:
    return [
        encode_task(
            DownloadTask(
                job_id=job_id,
                job_type="default",
                resource_id=str(number),
                url=f"{url}/{job_id}/{number}",
                manifest_key=f"s3://bench-bucket/manifests/{job_id}.json",
                tenant="bench",
            )
        )
        for number in range(PER_JOB)
    ]


def _job(job_id: str) -> NewJob:
    return NewJob(
        job_id=job_id,
        job_type="default",
        tenant="bench",
        manifest_key=f"s3://bench-bucket/manifests/{job_id}.json",
        manifest_sha256="0" * 64,
        resource_count=PER_JOB,
        log_cursor=Pointer(partition=partition_of(job_id, PARTITIONS[LOGS]), offset=0),
        trace_id="",
        created_at_ms=now_ms(),
    )
