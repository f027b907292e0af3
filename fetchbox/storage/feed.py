"""Passes a stream from the caller's task to an upload that pulls it from another.

The caller's task reads the stream, so that its timeouts and its cancellation work as usual. However
it ends early, the upload sees its own input fail and cleans up; only then the error goes on.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

Result = TypeVar("Result")

#: Small chunks are gathered to blocks of this size: each block costs a change of threads.
BLOCK_BYTES: Final = 1024 * 1024
#: How long a failed upload may take to clean up before the caller goes on without waiting.
ABORT_S: Final = 10.0


class _BrokenOffError(Exception):
    """Tells the upload that there is no more to come; never leaves this module."""


class Feed:
    """The upload's end of the stream: an async iterator with room for one block."""

    def __init__(self) -> None:
        """Start empty."""
        self._blocks: asyncio.Queue[bytearray | None] = asyncio.Queue(1)
        self._is_broken = False
        self._is_abandoned = False

    def __aiter__(self) -> AsyncIterator[bytearray]:
        """Iterate once."""
        return self

    async def __anext__(self) -> bytearray:
        """Wait for the next block."""
        block = await self._blocks.get()
        if self._is_broken:
            raise _BrokenOffError
        if block is None:
            raise StopAsyncIteration
        return block

    async def push(self, block: bytearray | None) -> bool:
        """Hand a block over, None at the end; False when nobody takes it any more."""
        await self._blocks.put(block)
        return not self._is_abandoned

    def abandon(self) -> None:
        """Nobody takes blocks any more: wake whoever pushes."""
        self._is_abandoned = True
        self._drain()

    def break_off(self) -> None:
        """Let the next read fail."""
        self._is_broken = True
        self._drain()
        self._blocks.put_nowait(None)

    def _drain(self) -> None:
        while not self._blocks.empty():
            self._blocks.get_nowait()


async def pass_on(
    chunks: AsyncIterator[bytes], start: Callable[[Feed], "asyncio.Future[Result]"]
) -> tuple["asyncio.Future[Result]", int]:
    """Run the upload that `start` begins over `chunks`; return it, ended, and the size.

    Raises what `chunks` raises. Whether the upload went well, its future tells.
    """
    feed = Feed()
    upload = start(feed)
    upload.add_done_callback(lambda _: feed.abandon())
    try:
        size = await _pump(chunks, feed)
        await asyncio.wait({upload})
    except BaseException:
        if not upload.done():
            feed.break_off()
            await asyncio.wait({upload}, timeout=ABORT_S)
        upload.add_done_callback(_look_at)
        raise
    return upload, size


async def _pump(chunks: AsyncIterator[bytes], feed: Feed) -> int:
    """Push `chunks` as blocks; stop early when the upload has ended by itself."""
    size = 0
    block = bytearray()
    async for chunk in chunks:
        size += len(chunk)
        block += chunk
        if len(block) >= BLOCK_BYTES:
            full, block = block, bytearray()  # given away as it is: a copy of it costs
            if not await feed.push(full):
                return size
    if block:
        await feed.push(block)
    await feed.push(None)
    return size


def _look_at(upload: "asyncio.Future[Result]") -> None:
    """Retrieve the outcome of an upload nobody waits for, or asyncio complains."""
    if not upload.cancelled():
        upload.exception()
