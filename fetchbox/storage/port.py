"""The storage port: objects in buckets.

Errors are StorageError with an UPLOAD_* code (contract 5.4); credentials and endpoints never
appear in them. Every adapter passes `tests/contract/test_storage_contract.py`.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fetchbox.model.failure import FetchBoxError


class StorageError(FetchBoxError):
    """Storage refused or could not be reached; `failure.retryable` says whether to try again."""


class ObjectNotFoundError(FetchBoxError):
    """The object is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOptions:
    """Where and how to store one object.

    Attributes:
        metadata: user metadata (x-amz-meta-*); local storage keeps it in a sidecar.
        content_encoding: copied from the origin's answer, empty = none.

    """

    bucket: str
    key: str
    content_type: str = "application/octet-stream"
    content_encoding: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """What was stored, as storage reports it."""

    bucket: str
    key: str
    etag: str
    size_bytes: int


class Storage(Protocol):
    """Objects in buckets. Safe to use from many tasks at once."""

    async def put(self, options: UploadOptions, body: bytes) -> StoredObject:
        """Store a small object in one request. A single try: retries are the caller's."""
        ...

    async def put_stream(
        self, options: UploadOptions, chunks: AsyncIterator[bytes]
    ) -> StoredObject:
        """Store a large object part by part, holding at most about two parts.

        When `chunks` raises or the caller is cancelled the upload is aborted: no object and no
        unfinished parts are left, and the exception of `chunks` propagates unchanged.
        """
        ...

    async def get(self, bucket: str, key: str) -> bytes:
        """Read a whole (small) object: manifests. Raises ObjectNotFoundError."""
        ...

    async def delete(self, bucket: str, key: str) -> None:
        """Remove an object; absent is fine."""
        ...

    async def ensure_bucket(self, bucket: str) -> None:
        """Create the bucket unless it is there."""
        ...

    async def check(self, bucket: str) -> None:
        """Raise StorageError unless the bucket can be reached."""
        ...
