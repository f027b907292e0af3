"""The storages that the contract suite is run on, each with a look behind the port.

A further adapter is one more entry in STACKS.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any, Final, Protocol, cast

import boto3
import obstore
from moto.server import ThreadedMotoServer
from obstore.store import MemoryStore

from fetchbox.storage.attributes import plain_attributes
from fetchbox.storage.local import SIDECARS, sidecar_key
from fetchbox.storage.memory import MemoryBuckets
from fetchbox.storage.objects import ObjectStorage, S3Options, local_storage, s3_storage
from fetchbox.storage.port import Storage
from tests.fakes.storage import FakeStorage

ACCESS_KEY: Final = "AKIAEXAMPLE"
SECRET_KEY: Final = "very-secret-key"


class Stack(Protocol):
    """A storage, and what lies in it."""

    #: Keys are what they say even when one is the start of another.
    keys_are_flat: bool

    @property
    def storage(self) -> Storage: ...

    async def keys(self, bucket: str) -> list[str]: ...

    async def attributes(self, bucket: str, key: str) -> Mapping[str, str]: ...

    async def unfinished(self, bucket: str) -> list[str]:
        """Uploads that were begun and neither completed nor aborted."""
        ...


@dataclass
class FakeStack:
    storage: FakeStorage = field(default_factory=FakeStorage)
    keys_are_flat: bool = True

    async def keys(self, bucket: str) -> list[str]:
        return sorted(key for place, key in self.storage.objects if place == bucket)

    async def attributes(self, bucket: str, key: str) -> Mapping[str, str]:
        puts = (put for put in reversed(self.storage.puts) if put.key == key)
        return plain_attributes(next(put for put in puts if put.bucket == bucket))

    async def unfinished(self, bucket: str) -> list[str]:
        return [bucket][:0]


class MemoryStack:
    keys_are_flat = True

    def __init__(self) -> None:
        self._buckets = MemoryBuckets()
        self.storage = ObjectStorage(self._buckets)

    def _store(self, bucket: str) -> MemoryStore:
        return cast(MemoryStore, self._buckets.store(bucket))

    async def keys(self, bucket: str) -> list[str]:
        return sorted(each["path"] for batch in self._store(bucket).list() for each in batch)

    async def attributes(self, bucket: str, key: str) -> Mapping[str, str]:
        result = await obstore.get_async(self._store(bucket), key)
        return {name.lower(): value for name, value in result.attributes.items()}

    async def unfinished(self, bucket: str) -> list[str]:
        return [bucket][:0]


class LocalStack:
    keys_are_flat = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = local_storage(folder)

    def _files(self, bucket: str) -> list[str]:
        root = self.folder / bucket
        return sorted(str(each.relative_to(root)) for each in root.rglob("*") if each.is_file())

    async def keys(self, bucket: str) -> list[str]:
        return self._files(bucket)

    async def attributes(self, bucket: str, key: str) -> Mapping[str, str]:
        path = self.folder / SIDECARS / sidecar_key(bucket, key)
        content = json.loads(await asyncio.to_thread(path.read_text))
        return cast(Mapping[str, str], content["attributes"])

    async def unfinished(self, bucket: str) -> list[str]:
        return [name for name in self._files(bucket) if "#" in name]


class S3Stack:
    keys_are_flat = True

    def __init__(self, endpoint: str) -> None:
        self.storage = s3_storage(
            S3Options(endpoint=endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
        )
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
        )

    async def _ask(self, operation: str, **arguments: str) -> Any:
        return await asyncio.to_thread(getattr(self._client, operation), **arguments)

    async def keys(self, bucket: str) -> list[str]:
        found = await self._ask("list_objects_v2", Bucket=bucket)
        return sorted(each["Key"] for each in found.get("Contents", []))

    async def attributes(self, bucket: str, key: str) -> Mapping[str, str]:
        found = await self._ask("head_object", Bucket=bucket, Key=key)
        attributes = {
            name: str(make_header(decode_header(value)))
            for name, value in found["Metadata"].items()
        }
        if "ContentEncoding" in found:
            attributes["content-encoding"] = found["ContentEncoding"]
        return {**attributes, "content-type": found["ContentType"]}

    async def unfinished(self, bucket: str) -> list[str]:
        found = await self._ask("list_multipart_uploads", Bucket=bucket)
        return [each["Key"] for each in found.get("Uploads", [])]

    def close(self) -> None:
        self._client.close()


@contextmanager
def s3_server() -> Iterator[str]:
    """Run an S3 in this process; give its endpoint."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def open_fake(_folder: Path) -> Iterator[Stack]:
    yield FakeStack()


@contextmanager
def open_memory(_folder: Path) -> Iterator[Stack]:
    yield MemoryStack()


@contextmanager
def open_local(folder: Path) -> Iterator[Stack]:
    yield LocalStack(folder)


@contextmanager
def open_s3(_folder: Path) -> Iterator[Stack]:
    with s3_server() as endpoint:
        stack = S3Stack(endpoint)
        yield stack
        stack.close()


STACKS: Final[Mapping[str, Callable[[Path], AbstractContextManager[Stack]]]] = {
    "fake": open_fake,
    "memory": open_memory,
    "local": open_local,
    "s3": open_s3,
}
