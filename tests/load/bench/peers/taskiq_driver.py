"""Queue a task per URL, wait until all objects are stored, say how long it took.

python -m tests.load.bench.peers.taskiq_driver URLS, with the environment of the workers
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import uvloop

from tests.load.bench.peers.taskiq_tasks import broker, copy_task

#: How many tasks are being queued at once.
SENDERS: Final = 16
#: How often the stored objects are counted.
POLL_S: Final = 0.05


async def main(urls: Sequence[str]) -> None:
    """Time from the first task queued to the last object stored."""
    await broker.startup()
    before, started = time.process_time(), time.perf_counter()
    rest = iter(enumerate(urls))
    async with asyncio.TaskGroup() as senders:
        for _ in range(SENDERS):
            senders.create_task(queue(rest))
    while stored() < len(urls):  # noqa: ASYNC110 - other processes store them
        await asyncio.sleep(POLL_S)
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - before
    await broker.shutdown()
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s}))


async def queue(rest: Iterator[tuple[int, str]]) -> None:
    """Queue what is left, one after the other."""
    for number, url in rest:
        await copy_task.kiq(str(number), url)


def stored() -> int:
    """Count the bytes that the workers wrote."""
    return sum(path.stat().st_size for path in Path(os.environ["PEER_FOLDER"]).glob("*.stored"))


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]).read_text().splitlines()))
