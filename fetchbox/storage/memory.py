"""Buckets in memory, for one process and as long as it runs."""

from obstore.store import MemoryStore, ObjectStore

from fetchbox.storage.attributes import plain_attributes
from fetchbox.storage.buckets import NothingBeside, missing, put_whole
from fetchbox.storage.port import UploadOptions


class MemoryBuckets(NothingBeside):
    """One store per bucket that was asked for."""

    def __init__(self) -> None:
        """Start without buckets."""
        self._stores: dict[str, MemoryStore] = {}

    def store(self, bucket: str) -> ObjectStore:
        """Return the store of a bucket that exists."""
        if (store := self._stores.get(bucket)) is None:
            raise missing(bucket)
        return store

    def stream_store(self, bucket: str) -> ObjectStore:
        """Return the same: there is nothing to try again."""
        return self.store(bucket)

    def attributes(self, options: UploadOptions) -> dict[str, str]:
        """Return them as they are."""
        return plain_attributes(options)

    async def put(self, options: UploadOptions, body: bytes) -> str:
        """Keep an object."""
        store = self.store(options.bucket)
        return await put_whole(store, options.key, body, plain_attributes(options))

    def close(self) -> None:
        """Nothing is open."""

    async def ensure(self, bucket: str) -> None:
        """Make an empty bucket."""
        self._stores.setdefault(bucket, MemoryStore())

    async def check(self, bucket: str) -> None:
        """Look it up."""
        self.store(bucket)
