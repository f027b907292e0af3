"""A process beside the test on the same broker: `publish`, `work` or `hold` for ever.

Prints one line per acknowledged batch, per message it is about to settle, or per message that it
keeps open: `hold` settles all but the first of each partition and reports what it was given.
"""

import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from fetchbox.broker.iggy import IggyBroker
from fetchbox.broker.port import Broker
from fetchbox.broker.sqlite import SqliteBroker
from tests.contract.brokers import LEASE_MS, now_ms
from tests.contract.iggy_server import options

TOPIC = "jobs.tasks"
HELD_WINDOW = 10


async def publish(broker: Broker) -> None:
    number = 0
    while True:
        batch = [f"{number}-{part}".encode() for part in range(3)]
        published = await broker.publish(TOPIC, f"job-{number % 8}", batch)
        say(f"{published.partition} {published.offset} {number}")
        number += 1


async def work(broker: Broker) -> None:
    async with broker.subscribe(TOPIC, "workers", window=10) as subscription:
        say("joined")
        while True:
            for message in await subscription.next():
                say(message.payload.decode())
                await subscription.settle([message])


async def hold(broker: Broker) -> None:
    held: set[int] = set()
    async with broker.subscribe(TOPIC, "workers", window=HELD_WINDOW) as subscription:
        while True:
            messages = await subscription.next()
            slow = [each for each in messages if each.partition not in held]
            first = {each.partition: each for each in reversed(slow)}
            held |= set(first)
            await subscription.settle([each for each in messages if each not in first.values()])
            for message in messages:
                say(message.payload.decode())


def say(line: str) -> None:
    print(line, flush=True)


def opened(where: str, lease_ms: int = LEASE_MS) -> AbstractAsyncContextManager[Broker]:
    """Open iggy://host:port, or a file."""
    if where.startswith("iggy://"):
        return IggyBroker(options(where.removeprefix("iggy://")))
    return SqliteBroker(path=Path(where), lease_ms=lease_ms, clock=now_ms)


async def main(role: str, where: str, lease_ms: str = str(LEASE_MS)) -> None:
    async with opened(where, int(lease_ms)) as broker:
        await {"publish": publish, "work": work, "hold": hold}[role](broker)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
