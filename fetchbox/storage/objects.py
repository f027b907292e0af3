"""Storage on obstore: the one adapter, over buckets on S3, in a folder or in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Self, cast

import obstore

from fetchbox.model.failure import FailureCode, failure
from fetchbox.storage.buckets import Buckets, refuse_bad_key, refuse_bad_name
from fetchbox.storage.faults import FAULTS, classify, located, translated
from fetchbox.storage.feed import Feed, pass_on
from fetchbox.storage.local import LocalBuckets
from fetchbox.storage.memory import MemoryBuckets
from fetchbox.storage.port import ObjectNotFoundError, StoredObject, UploadOptions
from fetchbox.storage.s3 import S3Buckets, S3Options

__all__ = ["ObjectStorage", "S3Options", "local_storage", "memory_storage", "s3_storage"]

#: The smallest part S3 takes. It takes 10,000 of them, so a stream may bring 48.8 GiB.
PART_BYTES: Final = 5 * 1024 * 1024
#: Parts on their way at once. With one, a second is being filled: about two parts in memory.
PARTS_AT_ONCE: Final = 1


def s3_storage(options: S3Options) -> "ObjectStorage":
    """Make storage on S3 or what speaks its language."""
    return ObjectStorage(S3Buckets(options))


def local_storage(folder: Path) -> "ObjectStorage":
    """Make storage in a folder of this host."""
    return ObjectStorage(LocalBuckets(folder))


def memory_storage() -> "ObjectStorage":
    """Make storage that is gone with the process."""
    return ObjectStorage(MemoryBuckets())


class ObjectStorage:
    """Implements Storage; to be entered, so that its connections end."""

    def __init__(self, buckets: Buckets) -> None:
        """Store in `buckets`."""
        self._buckets = buckets

    async def __aenter__(self) -> Self:
        """Nothing is opened before it is needed."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Let go of connections."""
        self._buckets.close()

    async def put(self, options: UploadOptions, body: bytes) -> StoredObject:
        """Store a small object in one request."""
        _refuse_bad(options.bucket, options.key)
        try:  # what `translated` does, without its cost: every small object comes this way
            etag = await self._buckets.put(options, body)
            await self._buckets.stored(options)
        except FAULTS as error:
            raise located(classify(error), options.bucket) from error
        return _stored(options, etag, len(body))

    async def put_stream(
        self, options: UploadOptions, chunks: AsyncIterator[bytes]
    ) -> StoredObject:
        """Store a large object part by part."""
        _refuse_bad(options.bucket, options.key)
        upload, size = await pass_on(chunks, lambda feed: self._start(options, feed))
        with translated(options.bucket):
            result = upload.result()
            await self._buckets.stored(options)
        return _stored(options, result["e_tag"], size)

    def _start(self, options: UploadOptions, feed: Feed) -> "asyncio.Future[obstore.PutResult]":
        with translated(options.bucket):
            upload = obstore.put_async(
                self._buckets.stream_store(options.bucket),
                options.key,
                feed,
                attributes=self._buckets.attributes(options),
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
        return cast("asyncio.Future[obstore.PutResult]", upload)  # typed as a coroutine

    async def get(self, bucket: str, key: str) -> bytes:
        """Read a whole object."""
        _refuse_bad(bucket, key)
        with translated(bucket):
            try:
                result = await obstore.get_async(self._buckets.store(bucket), key)
                return bytes(await result.bytes_async())
            except FileNotFoundError as error:
                if "<Code>NoSuchBucket</Code>" in str(error):
                    raise
                message = f"there is no object s3://{bucket}/{key}"
                raise ObjectNotFoundError(failure(FailureCode.STORAGE_ERROR, message)) from error

    async def delete(self, bucket: str, key: str) -> None:
        """Remove an object and what lies beside it."""
        _refuse_bad(bucket, key)
        with translated(bucket):
            with suppress(FileNotFoundError):
                await obstore.delete_async(self._buckets.store(bucket), key)
            await self._buckets.removed(bucket, key)

    async def ensure_bucket(self, bucket: str) -> None:
        """Create the bucket unless it is there."""
        refuse_bad_name(bucket)
        with translated(bucket):
            await self._buckets.ensure(bucket)

    async def check(self, bucket: str) -> None:
        """Raise StorageError unless the bucket can be reached."""
        refuse_bad_name(bucket)
        with translated(bucket):
            await self._buckets.check(bucket)


def _refuse_bad(bucket: str, key: str) -> None:
    refuse_bad_name(bucket)
    refuse_bad_key(bucket, key)


def _stored(options: UploadOptions, etag: str | None, size_bytes: int) -> StoredObject:
    return StoredObject(
        bucket=options.bucket,
        key=options.key,
        etag=(etag or "").strip('"'),
        size_bytes=size_bytes,
    )
