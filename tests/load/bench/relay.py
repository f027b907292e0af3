"""The raw relay: GET and PUT with the same clients and in-flight as the worker, and nothing else.

No broker, no ledger, no retries: what the path would cost if bookkeeping were free. Usage:
    python -m tests.load.bench.relay ORIGIN S3 BUCKET PREFIX COUNT SIZE IN_FLIGHT [PROXY...]
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import aiohttp
import obstore
import uvloop
from obstore.store import S3Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """What to copy from where to where."""

    origin: str
    endpoint: str
    bucket: str
    prefix: str
    count: int
    size: int
    in_flight: int
    #: Gone through in turns; empty: directly.
    proxies: Sequence[str] = ()


def open_store(endpoint: str, bucket: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=endpoint,
        access_key_id="bench-key",
        secret_access_key="bench-secret",
        region="us-east-1",
        virtual_hosted_style_request=False,
        unsigned_payload=True,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


async def copy_all(relay: Relay) -> float:
    """Copy everything; return the seconds it took."""
    store = open_store(relay.endpoint, relay.bucket)
    numbers = iter(range(relay.count))
    proxies = cycle(relay.proxies or [None])
    connector = aiohttp.TCPConnector(limit=relay.in_flight)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

        async def copy_some() -> None:
            for number in numbers:
                url = f"{relay.origin}/b/{relay.size}/{relay.prefix}/{number}"
                async with session.get(url, proxy=next(proxies)) as response:
                    body = await response.read()
                await obstore.put_async(
                    store,
                    f"{relay.prefix}/{number}",
                    body,
                    attributes={"Content-Type": response.headers["Content-Type"]},
                )

        started = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(relay.in_flight):
                tasks.create_task(copy_some())
        return time.perf_counter() - started


def main() -> None:
    origin, endpoint, bucket, prefix, *numbers = sys.argv[1:8]
    count, size, in_flight = map(int, numbers)
    relay = Relay(
        origin=origin,
        endpoint=endpoint,
        bucket=bucket,
        prefix=prefix,
        count=count,
        size=size,
        in_flight=in_flight,
        proxies=sys.argv[8:],
    )
    before = time.process_time()
    seconds = uvloop.run(copy_all(relay))
    print(json.dumps({"seconds": seconds, "cpu_s": time.process_time() - before}))


if __name__ == "__main__":
    main()
