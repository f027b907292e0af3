"""What differs between S3, a local folder and memory: how buckets are found, made and checked."""

import re
from typing import Final, Protocol

import obstore
from obstore.store import ObjectStore

from fetchbox.model.failure import FailureCode
from fetchbox.storage.faults import refused
from fetchbox.storage.port import StorageError, UploadOptions

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
#: An empty, '.' or '..' part between slashes.
_BAD_PART: Final = re.compile(r"(?:^|/)\.{0,2}(?:/|$)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
MAX_KEY_BYTES: Final = 1024
#: Buckets come with tasks, so their number has no bound of its own.
MAX_OPEN: Final = 64


class Buckets(Protocol):
    """One kind of storage. Raises StorageError or what `faults.translated` knows."""

    def store(self, bucket: str) -> ObjectStore:
        """Return the store of a bucket."""
        ...

    def stream_store(self, bucket: str) -> ObjectStore:
        """Return the store of a bucket for uploads in parts."""
        ...

    def attributes(self, options: UploadOptions) -> dict[str, str] | None:
        """Return what to store with the object, None where the store itself cannot."""
        ...

    async def put(self, options: UploadOptions, body: bytes) -> str:
        """Store a small object in one request; return its ETag."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...

    async def stored(self, options: UploadOptions) -> None:
        """An object was stored."""
        ...

    async def removed(self, bucket: str, key: str) -> None:
        """An object was deleted."""
        ...

    async def ensure(self, bucket: str) -> None:
        """Create the bucket unless it is there."""
        ...

    async def check(self, bucket: str) -> None:
        """Raise unless the bucket can be reached."""
        ...


class NothingBeside:
    """For stores that keep attributes themselves: nothing lies beside the objects."""

    async def stored(self, options: UploadOptions) -> None:
        """Nothing to do."""

    async def removed(self, bucket: str, key: str) -> None:
        """Nothing to do."""


async def put_whole(
    store: ObjectStore, key: str, body: bytes, attributes: dict[str, str] | None
) -> str:
    """Store an object in one request of obstore; return its ETag."""
    result = await obstore.put_async(store, key, body, attributes=attributes, use_multipart=False)
    return result["e_tag"] or ""


def missing(bucket: str) -> StorageError:
    """Make the error for a bucket that is not there."""
    message = f"bucket {bucket} does not exist; create the bucket or correct its name"
    return refused(FailureCode.UPLOAD_INVALID_BUCKET, message, bucket=bucket)


def refuse_bad_name(bucket: str) -> None:
    """Raise unless a bucket may be called so (S3's rules, which are safe for folders too)."""
    if not _NAME.fullmatch(bucket):
        message = "a bucket has 3 to 63 letters a-z, digits, hyphens and single dots in its name"
        raise refused(FailureCode.UPLOAD_INVALID_BUCKET, message, bucket=bucket)


def refuse_bad_key(bucket: str, key: str) -> None:
    """Raise unless every kind of storage stores an object under exactly this key."""
    if (fault := _key_fault(key)) is not None:
        raise refused(FailureCode.UPLOAD_S3_ERROR, f"the key {fault}", bucket=bucket, key=key)


def _key_fault(key: str) -> str | None:
    if _CONTROL.search(key):
        return "must not contain control characters"
    if len(key.encode()) > MAX_KEY_BYTES:
        return f"must not be longer than {MAX_KEY_BYTES} bytes"
    if _BAD_PART.search(key):
        return "must not contain an empty, '.' or '..' part between slashes"
    return None
