"""The tasks of the taskiq peer: GET with aiohttp, PUT with aiobotocore or obstore.

taskiq worker tests.load.bench.peers.taskiq_tasks:broker

A process says in PEER_FOLDER that it is ready, and adds a byte to a file there for every object.
"""

import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
from taskiq import TaskiqEvents, TaskiqState
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import ListQueueBroker

Put = Callable[[str, bytes], Awaitable[object]]

broker = ListQueueBroker(os.environ["PEER_REDIS"]).with_serializer(ORJSONSerializer())
in_flight = int(os.environ["PEER_IN_FLIGHT"])


async def open_aiobotocore(exits: AsyncExitStack) -> Put:
    """Open one client for all tasks, with a connection per task and no checksum beside the MD5."""
    from aiobotocore.config import AioConfig  # noqa: PLC0415 - only the store in use is loaded
    from aiobotocore.session import get_session  # noqa: PLC0415

    config = AioConfig(
        max_pool_connections=in_flight,
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = await exits.enter_async_context(
        get_session().create_client("s3", endpoint_url=os.environ["PEER_S3"], config=config)
    )
    bucket = os.environ["PEER_BUCKET"]

    async def put(key: str, body: bytes) -> object:
        return await client.put_object(Bucket=bucket, Key=key, Body=body)

    return put


async def open_obstore(_exits: AsyncExitStack) -> Put:
    """Open one store for all tasks, as the raw relay does."""
    import obstore  # noqa: PLC0415
    from obstore.store import S3Store  # noqa: PLC0415

    store = S3Store(
        os.environ["PEER_BUCKET"],
        endpoint=os.environ["PEER_S3"],
        virtual_hosted_style_request=False,
        unsigned_payload=True,
        client_options={"allow_http": True},
    )

    async def put(key: str, body: bytes) -> object:
        return await obstore.put_async(store, key, body)

    return put


STORES = {"aiobotocore": open_aiobotocore, "obstore": open_obstore}


async def start(state: TaskiqState) -> None:
    """Open what all tasks of this process share."""
    state.exits = AsyncExitStack()
    connector = aiohttp.TCPConnector(limit=in_flight)
    state.session = await state.exits.enter_async_context(
        aiohttp.ClientSession(connector=connector, auto_decompress=False)
    )
    state.put = await STORES[os.environ["PEER_STORE"]](state.exits)
    folder = Path(os.environ["PEER_FOLDER"])
    state.stored = state.exits.enter_context((folder / f"{os.getpid()}.stored").open("ab", 0))
    (folder / f"{os.getpid()}.ready").touch()


async def stop(state: TaskiqState) -> None:
    """Close it."""
    await state.exits.aclose()


async def copy(key: str, url: str) -> None:
    """Copy one body."""
    state = broker.state
    async with state.session.get(url, raise_for_status=True) as response:
        body = await response.read()
    await state.put(key, body)
    state.stored.write(b".")


broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, start)
broker.add_event_handler(TaskiqEvents.WORKER_SHUTDOWN, stop)
copy_task = broker.register_task(copy, task_name="copy")
