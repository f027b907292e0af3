"""The samples of docs/messaging.md are run, so that they stay true."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fetchbox.broker.iggy import IggyBroker
from fetchbox.broker.sqlite import SqliteBroker
from fetchbox.broker.streams import TASKS, partition_of, topic_specs
from fetchbox.model.task import DownloadTask
from fetchbox.wire.codec import decode_task
from tests.contract.brokers import now_ms
from tests.contract.iggy_server import PASSWORD, USER, IggyServer, options, server_binary

DOC = Path(__file__).parents[2] / "docs" / "messaging.md"
SPECS = topic_specs(tasks_days=7, status_days=14, logs_days=30, dlq_days=90)
CODEC, SQLITE, IGGY = re.findall(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)


def run(sample: str) -> None:
    exec(compile(sample, str(DOC), "exec"), {"__name__": "sample"})  # noqa: S102 - our own document


def test_codec_sample_holds() -> None:
    run(CODEC)


def test_sqlite_producer_sample_publishes_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asyncio.run(read_tasks())

    run(SQLITE)

    tasks = asyncio.run(read_tasks())
    assert [task.resource_id for task in tasks] == ["cat-0", "cat-1", "cat-2"]


async def read_tasks() -> list[DownloadTask]:
    """Provision like the API, then read where the sample's job belongs."""
    async with SqliteBroker(path=Path("data/broker.db"), clock=now_ms) as broker:
        await broker.ensure(SPECS)
        partition = partition_of("019a5c1e-7c50-7cc3-9d5b-0a2f5a6b7c8d", 8)
        return [decode_task(each.payload) async for each in broker.read(TASKS, partition, 0)]


def test_iggy_producer_sample_is_valid_python() -> None:
    compile(IGGY, str(DOC), "exec")


def test_iggy_producer_sample_publishes_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = IggyServer(server_binary(), tmp_path / "iggy")
    monkeypatch.setenv("IGGY_URL", f"iggy://{USER}:{PASSWORD}@{server.endpoint}")
    with asyncio.Runner() as runner:
        runner.run(server.start())
        try:
            runner.run(read_iggy_tasks(server))
            with ThreadPoolExecutor() as threads:
                threads.submit(run, IGGY).result()
            tasks = runner.run(read_iggy_tasks(server))
        finally:
            runner.run(server.kill())

    assert [task.resource_id for task in tasks] == ["cat-0", "cat-1", "cat-2"]


async def read_iggy_tasks(server: IggyServer) -> list[DownloadTask]:
    async with IggyBroker(options(server.endpoint)) as broker:
        await broker.ensure(SPECS)
        partition = partition_of("019a5c1e-7c50-7cc3-9d5b-0a2f5a6b7c8d", 8)
        return [decode_task(each.payload) async for each in broker.read(TASKS, partition, 0)]


def test_topic_table_is_complete() -> None:
    text = DOC.read_text()
    for spec in SPECS:
        days = spec.retention_ms // 86_400_000
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{spec.name}` |")]
        assert row.endswith(f"| {spec.partitions} | {days} days |")
        assert all(f"`{group}`" in row for group in spec.groups)
