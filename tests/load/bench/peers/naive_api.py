"""The intake a Python team would write first: FastAPI, pydantic, one enqueued task per URL.

Run by uvicorn where these are, with PEER_REDIS in its environment. It stores neither manifest nor
job, and its queue is in Redis's memory: less than FetchBox promises.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from pydantic import BaseModel, Field, HttpUrl
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import ListQueueBroker

broker = ListQueueBroker(os.environ["PEER_REDIS"]).with_serializer(ORJSONSerializer())


class Resource(BaseModel):
    """One URL to fetch."""

    id: str = Field(min_length=1, max_length=128)
    url: HttpUrl
    headers: dict[str, str] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)


class Manifest(BaseModel):
    """What is posted."""

    manifest_version: str
    metadata: dict[str, Any]
    resources: list[Resource] = Field(min_length=1, max_length=1000)


async def download(job_id: str, resource_id: str, url: str, headers: dict[str, str]) -> None:
    """Nobody works in this measurement."""


enqueued = broker.register_task(download, task_name="download")


@asynccontextmanager
async def connected(_app: FastAPI) -> AsyncIterator[None]:
    """Keep the connections to Redis open."""
    await broker.startup()
    yield
    await broker.shutdown()


async def ready() -> None:
    """Tell that it listens."""


async def submit(manifest: Manifest) -> dict[str, Any]:
    """Enqueue every resource, then answer."""
    job_id = str(uuid4())
    for resource in manifest.resources:
        await enqueued.kiq(job_id, resource.id, str(resource.url), resource.headers)
    return {"job_id": job_id, "resource_count": len(manifest.resources)}


app = FastAPI(lifespan=connected)
app.add_api_route("/health/ready", ready)
app.add_api_route("/jobs", submit, methods=["POST"], status_code=202)
