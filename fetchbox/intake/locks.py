"""One lock per key within this process, made on first use and forgotten after the last."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class KeyedLocks:
    """Holders of one key wait for each other; different keys never meet."""

    def __init__(self) -> None:
        """Start without any lock."""
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        """Count the keys that are held or waited for."""
        return len(self._locks)

    @asynccontextmanager
    async def hold(self, key: Hashable) -> AsyncIterator[None]:
        """Enter when no one else holds `key`; the local name keeps the lock alive."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            yield
