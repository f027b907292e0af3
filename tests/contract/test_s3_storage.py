"""What only S3 can show: the requests on the wire, and answers no test server gives on demand."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import boto3
import pytest

from fetchbox.model.failure import FailureCode
from fetchbox.storage.objects import ObjectStorage, S3Options, s3_storage
from fetchbox.storage.port import StorageError, UploadOptions
from fetchbox.storage.s3 import PART_RETRIES
from tests.contract.storages import ACCESS_KEY, SECRET_KEY, s3_server

OPTIONS = UploadOptions(bucket="bucket-one", key="k", metadata={"x": "y"})
PART = 5 * 1024 * 1024
QUIET_S = 0.3


class Stub:
    """Answers every request with `status` and `code`, once its body is in; keeps the heads."""

    def __init__(self) -> None:
        self.status, self.code = 200, ""
        self.heads: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        lengths = [line for line in head.lower().split("\r\n") if line.startswith("content-length")]
        await reader.readexactly(int(lengths[0].split(":")[1]) if lengths else 0)
        status, body = self.answer(head.partition(" ")[0])
        writer.write(
            f'HTTP/1.1 {status} X\r\nETag: "e"\r\nConnection: close\r\n'
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    def answer(self, _method: str) -> tuple[int, str]:
        return self.status, f"<Error><Code>{self.code}</Code></Error>" if self.code else ""


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object],
) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)  # type: ignore[arg-type]  # coroutine functions
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def storage_at(endpoint: str, **options: str) -> ObjectStorage:
    return s3_storage(
        S3Options(endpoint=endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY, **options)  # type: ignore[arg-type]  # strings only
    )


async def chunks() -> AsyncGenerator[bytes, None]:
    for _ in range(12):
        yield bytes(1024 * 1024)


async def test_a_small_object_is_one_unsigned_request_with_its_headers() -> None:
    stub = Stub()
    async with listening(stub.serve) as endpoint:
        await storage_at(endpoint).put(OPTIONS, bytes(PART + 1))
    assert len(stub.heads) == 1
    head = stub.heads[0].lower()
    assert head.startswith("put /bucket-one/k http/1.1\r\n")
    assert f"content-length: {PART + 1}\r\n" in head
    assert "x-amz-content-sha256: unsigned-payload\r\n" in head
    assert "x-amz-meta-x: y\r\n" in head


@pytest.mark.parametrize(
    ("status", "s3_code", "code"),
    [
        (503, "SlowDown", FailureCode.UPLOAD_THROTTLED),
        (429, "", FailureCode.UPLOAD_THROTTLED),
        (500, "InternalError", FailureCode.UPLOAD_S3_ERROR),
        (403, "AccessDenied", FailureCode.UPLOAD_ACCESS_DENIED),
        (401, "", FailureCode.UPLOAD_ACCESS_DENIED),
        (404, "NoSuchBucket", FailureCode.UPLOAD_INVALID_BUCKET),
        (409, "OperationAborted", FailureCode.UPLOAD_S3_ERROR),
        (400, "AuthorizationHeaderMalformed", FailureCode.UPLOAD_ACCESS_DENIED),
    ],
)
async def test_a_refusal_is_classified_tried_once_and_shows_no_secret(
    status: int, s3_code: str, code: FailureCode
) -> None:
    stub = Stub()
    stub.status, stub.code = status, s3_code
    async with listening(stub.serve) as endpoint:
        storage = storage_at(endpoint)
        for attempt in (storage.put(OPTIONS, b""), storage.put_stream(OPTIONS, chunks())):
            with pytest.raises(StorageError) as caught:
                await attempt
            assert caught.value.failure.code == code
            shown = f"{caught.value} {caught.value.failure}"
            for secret in (endpoint, endpoint.removeprefix("http://"), ACCESS_KEY, SECRET_KEY):
                assert secret not in shown
    may_pass = status >= 500 or status == 429  # of a stream, obstore repeats such a request itself
    assert len(stub.heads) == 1 + (1 + PART_RETRIES if may_pass else 1)


class AbortsBadly(Stub):
    """Takes everything but the first abort of an upload."""

    aborts = 0

    def answer(self, method: str) -> tuple[int, str]:
        self.aborts += method == "DELETE"
        status = 503 if method == "DELETE" and self.aborts == 1 else 200
        return status, "<R><UploadId>u1</UploadId></R>" if method == "POST" else ""


async def test_an_abort_that_was_refused_is_sent_again() -> None:
    """Lost, it would leave parts that nobody sees."""

    async def broken() -> AsyncGenerator[bytes, None]:
        async for chunk in chunks():
            yield chunk
        raise ConnectionResetError

    stub = AbortsBadly()
    async with listening(stub.serve) as endpoint:
        with pytest.raises(ConnectionResetError):
            await storage_at(endpoint).put_stream(OPTIONS, broken())
    assert stub.aborts == 2


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.close()
    await writer.wait_closed()


async def test_a_broken_connection_is_a_network_failure() -> None:
    async with listening(hang_up) as endpoint:
        storage = storage_at(endpoint)
        for attempt in (
            storage.put(OPTIONS, b""),
            storage.put_stream(OPTIONS, chunks()),
            storage.get("bucket-one", "k"),
            storage.check("bucket-one"),
            storage.ensure_bucket("bucket-one"),
        ):
            with pytest.raises(StorageError) as caught:
                await attempt
            assert caught.value.failure.code == FailureCode.UPLOAD_NETWORK
            assert endpoint not in str(caught.value)


async def test_a_refused_connection_is_a_network_failure() -> None:
    async with listening(hang_up) as endpoint:
        pass
    storage = storage_at(endpoint)
    for attempt in (storage.put(OPTIONS, b""), storage.check("bucket-one")):
        with pytest.raises(StorageError) as caught:
            await attempt
        assert caught.value.failure.code == FailureCode.UPLOAD_NETWORK


async def test_a_bucket_probe_says_why_not() -> None:
    stub = Stub()
    async with listening(stub.serve) as endpoint:
        storage = storage_at(endpoint)
        for status, code in (
            (403, FailureCode.UPLOAD_ACCESS_DENIED),
            (404, FailureCode.UPLOAD_INVALID_BUCKET),
            (503, FailureCode.UPLOAD_THROTTLED),
            (500, FailureCode.UPLOAD_S3_ERROR),
        ):
            stub.status = status
            with pytest.raises(StorageError) as caught:
                await storage.check("bucket-one")
            assert caught.value.failure.code == code


async def test_a_bucket_is_made_in_the_region() -> None:
    with s3_server() as endpoint:
        storage = storage_at(endpoint, region="eu-central-1")
        await storage.ensure_bucket("bucket-far")
        await storage.ensure_bucket("bucket-far")
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="eu-central-1",
        )
        found = await asyncio.to_thread(client.get_bucket_location, Bucket="bucket-far")
        client.close()
    assert found["LocationConstraint"] == "eu-central-1"


class Sink:
    """Takes parts and answers them only once released."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"?uploads" in head.split(b"\r\n")[0]:
            body = b"<InitiateMultipartUploadResult><UploadId>u</UploadId>"
            body += b"</InitiateMultipartUploadResult>"
            writer.write(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        elif head.startswith(b"PUT"):
            await reader.readexactly(PART)
            await self.released.wait()
        writer.close()


class Source:
    """An endless stream that knows when nobody wants more of it."""

    def __init__(self) -> None:
        self.read = 0
        self.is_read = asyncio.Event()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        while True:
            self.read += 65_536
            self.is_read.set()
            yield bytes(65_536)

    async def stands_still(self) -> None:
        with suppress(TimeoutError):
            while True:
                self.is_read.clear()
                async with asyncio.timeout(QUIET_S):
                    await self.is_read.wait()


async def test_about_two_parts_are_read_ahead() -> None:
    """Storage that answers nothing holds the stream at two parts and some blocks."""
    sink, source = Sink(), Source()
    async with listening(sink.serve) as endpoint, asyncio.TaskGroup() as group:
        task = group.create_task(_put_stream(storage_at(endpoint), source.chunks()))
        await source.stands_still()
        read = source.read
        sink.released.set()
        task.cancel()
    assert PART < read <= 2 * PART + 3 * 1024 * 1024


async def _put_stream(storage: ObjectStorage, stream: AsyncIterator[bytes]) -> None:
    await storage.put_stream(OPTIONS, stream)
