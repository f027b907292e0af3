import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from fetchbox.storage.feed import BLOCK_BYTES, Feed, pass_on

Upload = asyncio.Future[list[int]]


class FakeUpload:
    """Reads a feed in a task of its own, like obstore does. Lever: `break_after` blocks."""

    def __init__(self, break_after: int | None = None) -> None:
        self.break_after = break_after
        self.sizes: list[int] = []
        self.outcome = ""

    def start(self, feed: Feed) -> Upload:
        return asyncio.create_task(self.run(feed))

    async def run(self, feed: Feed) -> list[int]:
        try:
            async for block in feed:
                self.sizes.append(len(block))
                if len(self.sizes) == self.break_after:
                    raise OSError("storage broke")  # noqa: TRY301  # this is the lever
        except BaseException as error:
            self.outcome = type(error).__name__
            raise
        self.outcome = "done"
        return self.sizes


async def chunks(*sizes: int) -> AsyncGenerator[bytes, None]:
    for size in sizes:
        yield bytes(size)


async def test_small_chunks_arrive_as_blocks() -> None:
    upload = FakeUpload()
    ended, size = await pass_on(chunks(*[BLOCK_BYTES // 4] * 9), upload.start)
    assert ended.result() == [BLOCK_BYTES, BLOCK_BYTES, BLOCK_BYTES // 4]
    assert size == BLOCK_BYTES // 4 * 9


async def test_an_empty_stream_is_an_upload_of_nothing() -> None:
    ended, size = await pass_on(chunks(), FakeUpload().start)
    assert (ended.result(), size) == ([], 0)


async def test_no_more_is_read_than_the_upload_takes() -> None:
    taken = 0
    is_stalled = asyncio.Event()

    async def counting() -> AsyncGenerator[bytes, None]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(BLOCK_BYTES)
            if taken == 3:
                is_stalled.set()

    def never_reading(_: Feed) -> Upload:
        return asyncio.get_running_loop().create_future()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(_run(counting(), never_reading))
        await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert taken == 2  # one in the feed, one waiting to get in
        assert not is_stalled.is_set()
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()


async def _run(stream: AsyncGenerator[bytes, None], start: Callable[[Feed], Any]) -> None:
    await pass_on(stream, start)


async def test_the_stream_is_read_in_the_callers_task() -> None:
    readers = set()

    async def noting() -> AsyncGenerator[bytes, None]:
        for _ in range(3):
            readers.add(asyncio.current_task())
            yield bytes(BLOCK_BYTES)

    await pass_on(noting(), FakeUpload().start)
    assert readers == {asyncio.current_task()}


async def test_a_stream_that_fails_breaks_the_upload_off_first() -> None:
    upload = FakeUpload()

    async def failing() -> AsyncGenerator[bytes, None]:
        yield bytes(BLOCK_BYTES)
        raise KeyError("origin")

    with pytest.raises(KeyError, match="origin"):
        await pass_on(failing(), upload.start)
    assert upload.outcome == "_BrokenOffError"


async def test_an_upload_that_fails_ends_the_stream() -> None:
    upload = FakeUpload(break_after=2)
    ended, _ = await pass_on(chunks(*[BLOCK_BYTES] * 100), upload.start)
    with pytest.raises(OSError, match="storage broke"):
        ended.result()
    assert len(upload.sizes) == 2


async def test_an_upload_that_fails_at_the_end_is_told() -> None:
    ended, _ = await pass_on(chunks(BLOCK_BYTES), FakeUpload(break_after=1).start)
    with pytest.raises(OSError, match="storage broke"):
        ended.result()


@pytest.mark.parametrize("blocks", [0, 1, 5])
async def test_cancelling_breaks_the_upload_off_first(blocks: int) -> None:
    upload = FakeUpload()
    is_waiting = asyncio.Event()

    async def stalling() -> AsyncGenerator[bytes, None]:
        for _ in range(blocks):
            yield bytes(BLOCK_BYTES)
        is_waiting.set()
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(_run(stalling(), upload.start))
        await is_waiting.wait()
        task.cancel()
    assert task.cancelled()
    assert upload.outcome == "_BrokenOffError"
