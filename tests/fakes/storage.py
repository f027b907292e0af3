"""Storage in memory: the whole port, without headers and parts."""

import hashlib
from collections.abc import AsyncIterator

from fetchbox.model.failure import FailureCode, failure
from fetchbox.storage.buckets import missing, refuse_bad_key, refuse_bad_name
from fetchbox.storage.port import ObjectNotFoundError, StoredObject, UploadOptions

DEFAULT_BUCKET = "fetchbox-default"


class FakeStorage:
    """Levers: `buckets`, `fail_next`. For asserts: `puts`, `objects[bucket, key]`."""

    def __init__(self, *buckets: str) -> None:
        self.buckets = set(buckets or (DEFAULT_BUCKET,))
        self.objects: dict[tuple[str, str], bytes] = {}
        self.puts: list[UploadOptions] = []
        self.failures: list[Exception] = []

    def fail_next(self, *errors: Exception) -> None:
        """Raise these, in turn, from the next calls."""
        self.failures.extend(errors)

    def _enter(self, bucket: str, key: str | None = None) -> None:
        refuse_bad_name(bucket)
        if key is not None:
            refuse_bad_key(bucket, key)
        if self.failures:
            raise self.failures.pop(0)
        if bucket not in self.buckets:
            raise missing(bucket)

    async def put(self, options: UploadOptions, body: bytes) -> StoredObject:
        self._enter(options.bucket, options.key)
        return self._keep(options, body)

    async def put_stream(
        self, options: UploadOptions, chunks: AsyncIterator[bytes]
    ) -> StoredObject:
        self._enter(options.bucket, options.key)
        return self._keep(options, b"".join([chunk async for chunk in chunks]))

    def _keep(self, options: UploadOptions, body: bytes) -> StoredObject:
        self.puts.append(options)
        self.objects[options.bucket, options.key] = body
        return StoredObject(
            bucket=options.bucket,
            key=options.key,
            etag=hashlib.md5(body, usedforsecurity=False).hexdigest(),
            size_bytes=len(body),
        )

    async def get(self, bucket: str, key: str) -> bytes:
        self._enter(bucket, key)
        if (bucket, key) not in self.objects:
            message = f"there is no object s3://{bucket}/{key}"
            raise ObjectNotFoundError(failure(FailureCode.STORAGE_ERROR, message))
        return self.objects[bucket, key]

    async def delete(self, bucket: str, key: str) -> None:
        self._enter(bucket, key)
        self.objects.pop((bucket, key), None)

    async def ensure_bucket(self, bucket: str) -> None:
        self._enter_name(bucket)
        self.buckets.add(bucket)

    def _enter_name(self, bucket: str) -> None:
        refuse_bad_name(bucket)
        if self.failures:
            raise self.failures.pop(0)

    async def check(self, bucket: str) -> None:
        self._enter(bucket)
