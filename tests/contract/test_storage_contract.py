"""What every storage promises, the fake included (fetchbox.storage.port)."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from uuid import uuid4

import pytest

from fetchbox.model.failure import FailureCode
from fetchbox.storage.port import ObjectNotFoundError, StorageError, UploadOptions
from tests.contract.storages import STACKS, Stack

MIB = 1024 * 1024
PART = 5 * MIB
WITHIN_S = 20


@pytest.fixture(scope="module", params=list(STACKS))
def stack_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def stack(stack_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with STACKS[stack_name](tmp_path_factory.mktemp("objects")) as opened:
        yield opened


@pytest.fixture
async def bucket(stack: Stack) -> str:
    name = f"bucket-{uuid4()}"
    await stack.storage.ensure_bucket(name)
    return name


class StreamError(Exception):
    """What the stream under test fails with."""


async def pieces(body: bytes, size: int = 65_536) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def failing(size: int) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces(bytes(size))) as chunks:
        async for chunk in chunks:
            yield chunk
    raise StreamError


async def endless() -> AsyncGenerator[bytes, None]:
    while True:
        yield bytes(MIB)


async def test_put_stores_the_bytes_and_tells_where(stack: Stack, bucket: str) -> None:
    stored = await stack.storage.put(UploadOptions(bucket=bucket, key="a/b.bin"), b"\x00body")
    assert (stored.bucket, stored.key, stored.size_bytes) == (bucket, "a/b.bin", 5)
    assert stored.etag
    assert '"' not in stored.etag
    assert await stack.storage.get(bucket, "a/b.bin") == b"\x00body"


async def test_put_stores_an_empty_object(stack: Stack, bucket: str) -> None:
    stored = await stack.storage.put(UploadOptions(bucket=bucket, key="empty"), b"")
    assert stored.size_bytes == 0
    assert await stack.storage.get(bucket, "empty") == b""


async def test_put_replaces_what_was_there(stack: Stack, bucket: str) -> None:
    options = UploadOptions(bucket=bucket, key="k")
    first = await stack.storage.put(options, b"first, and longer")
    second = await stack.storage.put(options, b"second")
    assert first.etag != second.etag
    assert await stack.storage.get(bucket, "k") == b"second"


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART + 7])
async def test_put_stream_stores_a_body_of_any_size(stack: Stack, bucket: str, size: int) -> None:
    body = os.urandom(size)
    options = UploadOptions(bucket=bucket, key="stream")
    stored = await stack.storage.put_stream(options, pieces(body))
    assert stored.size_bytes == size
    assert stored.etag
    assert await stack.storage.get(bucket, "stream") == body
    assert await stack.unfinished(bucket) == []


@pytest.mark.parametrize("chunk", [7_000_000, 1_000_003, 12 * MIB])
async def test_put_stream_takes_chunks_of_any_size(stack: Stack, bucket: str, chunk: int) -> None:
    body = os.urandom(12 * MIB)
    options = UploadOptions(bucket=bucket, key="stream")
    await stack.storage.put_stream(options, pieces(body, chunk))
    assert await stack.storage.get(bucket, "stream") == body


@pytest.mark.parametrize("is_stream", [False, True], ids=["put", "put_stream"])
async def test_attributes_are_kept(stack: Stack, bucket: str, *, is_stream: bool) -> None:
    options = UploadOptions(
        bucket=bucket,
        key="k",
        content_type="text/plain; charset=utf-8",
        content_encoding="gzip",
        metadata={"sha256": "0" * 64, "Owner": "me", "note": "naïve 中"},
    )
    if is_stream:
        await stack.storage.put_stream(options, pieces(b"body"))
    else:
        await stack.storage.put(options, b"body")
    found = await stack.attributes(bucket, "k")
    assert found == {
        "content-type": "text/plain; charset=utf-8",
        "content-encoding": "gzip",
        "sha256": "0" * 64,
        "owner": "me",
        "note": "naïve 中",
    }


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"content_type": "text/plain\r\nx-evil: 1"}, id="type-with-line-break"),
        pytest.param({"content_type": "téxt/plain"}, id="type-not-ascii"),
        pytest.param({"content_encoding": "gz\x00ip"}, id="encoding-with-nul"),
        pytest.param({"metadata": {"x": "a\r\nb"}}, id="value-with-line-break"),
        pytest.param({"metadata": {"x": "\x7f"}}, id="value-with-delete"),
        pytest.param({"metadata": {"naïve name:": "x"}}, id="name-not-a-token"),
        pytest.param({"metadata": {"": "x"}}, id="name-empty"),
        pytest.param({"metadata": {"x": "\ud800"}}, id="lone-surrogate"),
    ],
)
async def test_odd_attributes_do_not_keep_the_object_from_being_stored(
    stack: Stack, bucket: str, options: dict[str, object]
) -> None:
    await stack.storage.put(UploadOptions(bucket=bucket, key="k", **options), b"body")  # type: ignore[arg-type]  # rows name different fields
    assert await stack.storage.get(bucket, "k") == b"body"


@pytest.mark.parametrize(
    "key",
    [
        "resources/gallery/0198/hero image.jpg",
        "ünïcode/中.txt",
        "100%/a%2Fb%20c",
        "a?b#c&d=e+f",
        "..a/b../...",
        "a\\b:c*d\"e<f>|'",
        "~.hidden/-",
        "/".join(["deep"] * 60),
        "x" * 200,
    ],
)
async def test_odd_keys_are_kept_as_they_are(stack: Stack, bucket: str, key: str) -> None:
    stored = await stack.storage.put(UploadOptions(bucket=bucket, key=key), b"body")
    assert stored.key == key
    assert await stack.storage.get(bucket, key) == b"body"
    assert await stack.keys(bucket) == [key]


BAD_KEYS = {
    "empty": "",
    "leading-slash": "/a",
    "trailing-slash": "a/",
    "empty-part": "a//b",
    "dot": "a/./b",
    "parent": "../b",
    "grandparent": "a/../../b",
    "line-break": "a\nb",
    "nul": "a\x00b",
    "surrogate": "a\ud800",
    "too-long": "é" * 513,
}


@pytest.mark.parametrize("key", list(BAD_KEYS.values()), ids=list(BAD_KEYS))
async def test_a_bad_key_is_refused_for_good(stack: Stack, bucket: str, key: str) -> None:
    options = UploadOptions(bucket=bucket, key=key)
    chunks = endless()
    for attempt in (
        stack.storage.put(options, b"body"),
        stack.storage.put_stream(options, chunks),
        stack.storage.get(bucket, key),
        stack.storage.delete(bucket, key),
    ):
        with pytest.raises(StorageError, match="key must not") as caught:
            await attempt
        assert caught.value.failure.code == FailureCode.UPLOAD_S3_ERROR
        assert not caught.value.failure.retryable
    await chunks.aclose()
    assert await stack.keys(bucket) == []


@pytest.mark.parametrize("name", ["", "a", "..", "../etc", "Upper", "a/b", "a..b", "x" * 64, ".at"])
async def test_a_bad_bucket_name_is_refused_for_good(stack: Stack, name: str) -> None:
    for attempt in (
        stack.storage.put(UploadOptions(bucket=name, key="k"), b""),
        stack.storage.get(name, "k"),
        stack.storage.ensure_bucket(name),
        stack.storage.check(name),
    ):
        with pytest.raises(StorageError) as caught:
            await attempt
        assert caught.value.failure.code == FailureCode.UPLOAD_INVALID_BUCKET
        assert not caught.value.failure.retryable


async def test_a_missing_bucket_is_told(stack: Stack) -> None:
    name = f"missing-{uuid4()}"
    options = UploadOptions(bucket=name, key="k")
    async with asyncio.timeout(WITHIN_S), aclosing(endless()) as chunks:
        for attempt in (
            stack.storage.put(options, b"body"),
            stack.storage.put_stream(options, chunks),
            stack.storage.get(name, "k"),
            stack.storage.check(name),
        ):
            with pytest.raises(StorageError) as caught:
                await attempt
            assert caught.value.failure.code == FailureCode.UPLOAD_INVALID_BUCKET
            assert caught.value.failure.context["bucket"] == name


async def test_a_missing_object_is_told(stack: Stack, bucket: str) -> None:
    with pytest.raises(ObjectNotFoundError, match=f"s3://{bucket}/none"):
        await stack.storage.get(bucket, "none")


async def test_delete_removes_one_object_and_is_harmless_to_repeat(
    stack: Stack, bucket: str
) -> None:
    for key in ("a", "b"):
        await stack.storage.put(UploadOptions(bucket=bucket, key=key), b"")
    await stack.storage.delete(bucket, "a")
    await stack.storage.delete(bucket, "a")
    assert await stack.keys(bucket) == ["b"]


async def test_ensure_bucket_leaves_a_bucket_as_it_is(stack: Stack, bucket: str) -> None:
    await stack.storage.put(UploadOptions(bucket=bucket, key="k"), b"body")
    await stack.storage.ensure_bucket(bucket)
    await stack.storage.check(bucket)
    assert await stack.storage.get(bucket, "k") == b"body"


async def test_a_key_may_continue_another_or_is_refused_for_good(stack: Stack, bucket: str) -> None:
    await stack.storage.put(UploadOptions(bucket=bucket, key="a"), b"one")
    attempt = stack.storage.put(UploadOptions(bucket=bucket, key="a/b"), b"two")
    if stack.keys_are_flat:
        await attempt
    else:
        with pytest.raises(StorageError) as caught:
            await attempt
        assert not caught.value.failure.retryable
    assert await stack.storage.get(bucket, "a") == b"one"


@pytest.mark.parametrize("size", [0, 1, 12 * MIB])
async def test_a_failing_stream_leaves_nothing_behind(stack: Stack, bucket: str, size: int) -> None:
    with pytest.raises(StreamError):
        await stack.storage.put_stream(UploadOptions(bucket=bucket, key="k"), failing(size))
    assert await stack.unfinished(bucket) == []
    assert await stack.keys(bucket) == []


@pytest.mark.parametrize("size", [0, MIB, 17 * MIB])
async def test_a_cancelled_stream_leaves_nothing_behind(
    stack: Stack, stack_name: str, bucket: str, size: int
) -> None:
    stalled = asyncio.Event()

    async def stalling() -> AsyncGenerator[bytes, None]:
        async with aclosing(pieces(bytes(size))) as chunks:
            async for chunk in chunks:
                yield chunk
        stalled.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as group:
        options = UploadOptions(bucket=bucket, key="k")
        task = group.create_task(_put_stream(stack, options, stalling()))
        await stalled.wait()
        if stack_name == "s3" and size > 2 * PART:
            assert await stack.unfinished(bucket) == ["k"]
        task.cancel()
    assert task.cancelled()
    assert await stack.unfinished(bucket) == []
    assert await stack.keys(bucket) == []


async def _put_stream(stack: Stack, options: UploadOptions, chunks: AsyncIterator[bytes]) -> None:
    await stack.storage.put_stream(options, chunks)


async def test_many_at_once(stack: Stack, bucket: str) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            options = UploadOptions(bucket=bucket, key=f"n/{number}")
            group.create_task(_put(stack, options, str(number).encode()))
        for number in range(3):
            options = UploadOptions(bucket=bucket, key=f"s/{number}")
            group.create_task(_put_stream(stack, options, pieces(bytes(6 * MIB))))
    assert len(await stack.keys(bucket)) == 23
    assert await stack.storage.get(bucket, "n/7") == b"7"


async def _put(stack: Stack, options: UploadOptions, body: bytes) -> None:
    await stack.storage.put(options, body)
