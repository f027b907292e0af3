"""Buckets as folders, for one host: `<folder>/<bucket>/<key>` is the object, byte for byte.

What S3 keeps in headers lies in a sidecar outside every bucket:
`<folder>/.attributes/<bucket>/<first 2>/<SHA-256 of the key>.json`.
"""

import asyncio
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import obstore
from obstore.store import LocalStore, ObjectStore

from fetchbox.model.failure import FailureCode
from fetchbox.storage.attributes import plain_attributes
from fetchbox.storage.buckets import MAX_OPEN, missing, put_whole
from fetchbox.storage.faults import refused
from fetchbox.storage.port import UploadOptions

#: No bucket may be called so.
SIDECARS: Final = ".attributes"


def sidecar_key(bucket: str, key: str) -> str:
    """Say where the sidecar of an object lies below the folder of sidecars."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{bucket}/{digest[:2]}/{digest}.json"


class LocalBuckets:
    """Folders below `folder`, which is made when needed."""

    def __init__(self, folder: Path) -> None:
        """Touch nothing yet."""
        self._folder = folder
        self._stores: dict[str, LocalStore] = {}
        self._sidecars: LocalStore | None = None

    def store(self, bucket: str) -> ObjectStore:
        """Return the store of a bucket that exists."""
        store = self._stores.get(bucket)
        if store is None:
            path = self._folder / bucket
            if not path.is_dir():
                raise missing(bucket)
            store = LocalStore(path)
            while len(self._stores) >= MAX_OPEN:
                del self._stores[next(iter(self._stores))]
            self._stores[bucket] = store
        return store

    def attributes(self, options: UploadOptions) -> None:  # of the protocol
        """Leave them to the sidecar: a file has no headers."""

    def stream_store(self, bucket: str) -> ObjectStore:
        """Return the same: a disk is not tried twice."""
        return self.store(bucket)

    async def put(self, options: UploadOptions, body: bytes) -> str:
        """Write a file."""
        return await put_whole(self.store(options.bucket), options.key, body, None)

    def close(self) -> None:
        """Nothing is open."""

    async def stored(self, options: UploadOptions) -> None:
        """Write the sidecar."""
        content = {"key": options.key, "attributes": plain_attributes(options)}
        await obstore.put_async(
            self._beside(),
            sidecar_key(options.bucket, options.key),
            msgspec.json.encode(content),
            use_multipart=False,
        )

    async def removed(self, bucket: str, key: str) -> None:
        """Remove the sidecar."""
        with suppress(FileNotFoundError):
            await obstore.delete_async(self._beside(), sidecar_key(bucket, key))

    async def ensure(self, bucket: str) -> None:
        """Make the folder."""
        await asyncio.to_thread((self._folder / bucket).mkdir, parents=True, exist_ok=True)

    async def check(self, bucket: str) -> None:
        """Look whether the folder is there and may be written."""
        path = self._folder / bucket
        if not await asyncio.to_thread(path.is_dir):
            raise missing(bucket)
        if not await asyncio.to_thread(os.access, path, os.W_OK | os.X_OK):
            message = "the storage folder may not be written; give its user the right to"
            raise refused(FailureCode.UPLOAD_ACCESS_DENIED, message, bucket=bucket)

    def _beside(self) -> LocalStore:
        if self._sidecars is None:
            self._sidecars = LocalStore(self._folder / SIDECARS, mkdir=True)
        return self._sidecars
