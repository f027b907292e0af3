"""A process beside the test on the same broker file: `publish` for ever, or `work` for ever.

Prints one line per acknowledged batch, respectively per message it is
about to settle.
"""

import asyncio
import sys
from pathlib import Path

from fetchbox.broker.sqlite import SqliteBroker
from tests.contract.brokers import LEASE_MS, now_ms

TOPIC = "jobs.tasks"


async def publish(broker: SqliteBroker) -> None:
    number = 0
    while True:
        batch = [f"{number}-{part}".encode() for part in range(3)]
        published = await broker.publish(TOPIC, f"job-{number % 8}", batch)
        say(f"{published.partition} {published.offset} {number}")
        number += 1


async def work(broker: SqliteBroker) -> None:
    async with broker.subscribe(TOPIC, "workers", window=10) as subscription:
        say("joined")
        while True:
            for message in await subscription.next():
                say(message.payload.decode())
                await subscription.settle([message])


def say(line: str) -> None:
    print(line, flush=True)


async def main(role: str, path: Path) -> None:
    async with SqliteBroker(path=path, lease_ms=LEASE_MS, clock=now_ms) as broker:
        await {"publish": publish, "work": work}[role](broker)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
