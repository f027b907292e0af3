"""Small PUTs past obstore: what a server may do to a connection, on the service's loop too."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fetchbox.model.failure import FailureCode
from fetchbox.storage.objects import ObjectStorage, S3Options, s3_storage
from fetchbox.storage.port import StorageError, UploadOptions
from fetchbox.storage.signature import Signer
from fetchbox.storage.small import MAX_BYTES, Place, SmallPuts

OPTIONS = UploadOptions(bucket="bucket-one", key="k", metadata={"x": "y"})
KEPT = 'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 0\r\n\r\n'
#: After an answer, or in place of it: the connection ends.
END = "<end>"
SILENCE = ""


def on_both_loops(story: Callable[[], Awaitable[None]]) -> Callable[..., None]:
    """Run a test on asyncio's own loop and on the one that the service runs on."""

    @pytest.mark.parametrize(
        "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
    )
    def test(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(_awaited(story()))

    test.__name__ = story.__name__
    test.__doc__ = story.__doc__
    return test


async def _awaited(story: Awaitable[None]) -> None:
    await story


class Script:
    """A server that gives each connection its answers in turn; keeps what was sent."""

    def __init__(self, *connections: list[str]) -> None:
        self._left = list(connections)
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self._serving: list[asyncio.Task[None]] = []
        self.ended = asyncio.Event()
        self.is_asked = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._serving.append(cast("asyncio.Task[None]", asyncio.current_task()))
        try:
            await self._play(self._left.pop(0), reader, writer)
        finally:
            writer.close()
            self.ended.set()

    async def end(self) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _play(
        self, answers: list[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for answer in answers:
            await self._read(reader)
            writer.write(answer.removesuffix(END).encode())
            await writer.drain()
            if answer.endswith(END):
                return
        await reader.read()  # until the client ends it

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
        self.bodies.append(await reader.readexactly(int(size)))
        self.heads.append(head)
        self.is_asked.set()


@asynccontextmanager
async def listening(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        await script.end()


@asynccontextmanager
async def storing(
    script: Script, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ObjectStorage]:
    async with listening(script, tls) as endpoint:
        options = S3Options(endpoint=endpoint, access_key="AKIAEXAMPLE", secret_key="very-secret")
        async with s3_storage(options) as storage:
            yield storage


async def fault_of(storage: ObjectStorage) -> str:
    with pytest.raises(StorageError) as caught:
        await storage.put(OPTIONS, b"body")
    assert caught.value.failure.code == FailureCode.UPLOAD_NETWORK
    assert caught.value.failure.retryable
    assert caught.value.failure.context["bucket"] == "bucket-one"
    return caught.value.failure.message


@on_both_loops
async def test_a_connection_serves_one_put_after_the_other() -> None:
    script = Script([KEPT, KEPT, KEPT])
    async with storing(script) as storage:
        for body in (b"one", b"", bytes(range(256)) * 3000):
            assert (await storage.put(OPTIONS, body)).etag == "e"
            assert script.bodies[-1] == body
    assert script.connections == 1


@on_both_loops
async def test_idle_connections_end_with_the_storage() -> None:
    script = Script([KEPT])
    async with storing(script) as storage:
        await storage.put(OPTIONS, b"")
    await script.ended.wait()


@on_both_loops
async def test_a_connection_that_ended_while_idle_is_replaced() -> None:
    last = KEPT.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    for first in ([last], [KEPT + END], [KEPT, END]):
        script = Script(first, [KEPT])
        async with storing(script) as storage:
            await storage.put(OPTIONS, b"one")
            assert (await storage.put(OPTIONS, b"two")).etag == "e"
        assert script.connections == 2


@on_both_loops
async def test_a_new_connection_that_breaks_is_tried_once() -> None:
    script = Script([END], [KEPT])
    async with storing(script) as storage:
        assert await fault_of(storage) == "the connection to storage broke"
    assert script.connections == 1


@on_both_loops
async def test_what_is_no_http_is_a_network_failure() -> None:
    script = Script(["SSH-2.0-OpenSSH\r\n"], [KEPT])
    async with storing(script) as storage:
        assert await fault_of(storage) == "the connection to storage broke"
        await storage.put(OPTIONS, b"")  # and not on that connection
    assert script.connections == 2


@on_both_loops
async def test_an_answer_may_be_announced_and_come_in_chunks() -> None:
    error = "<Error><Code>SlowDown</Code></Error>"
    chunks = f"{len(error):x}\r\n{error}\r\n0\r\n\r\n"
    refused = f"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
    script = Script([f"HTTP/1.1 100 Continue\r\n\r\n{KEPT}", refused, KEPT])
    async with storing(script) as storage:
        await storage.put(OPTIONS, b"")
        with pytest.raises(StorageError) as caught:
            await storage.put(OPTIONS, b"")
        await storage.put(OPTIONS, b"")
    assert caught.value.failure.code == FailureCode.UPLOAD_THROTTLED
    assert caught.value.failure.context["s3_code"] == "SlowDown"
    assert script.connections == 1


@on_both_loops
async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    refused = "HTTP/1.1 400 X\r\n\r\n<Error><Code>NoSuchBucket</Code></Error>"
    script = Script([refused + END])
    async with storing(script) as storage:
        with pytest.raises(StorageError) as caught:
            await storage.put(OPTIONS, b"")
    assert caught.value.failure.code == FailureCode.UPLOAD_INVALID_BUCKET


@on_both_loops
async def test_an_answer_that_nobody_asked_for_ends_the_connection() -> None:
    script = Script([KEPT + KEPT], [KEPT])
    async with storing(script) as storage:
        await storage.put(OPTIONS, b"")
        await storage.put(OPTIONS, b"")
    assert script.connections == 2


@on_both_loops
async def test_a_put_that_was_cancelled_leaves_no_connection_to_the_next() -> None:
    script = Script([SILENCE], [KEPT])
    async with storing(script) as storage:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(_put(storage))
            await script.is_asked.wait()
            task.cancel()
        await script.ended.wait()
        await storage.put(OPTIONS, b"")
    assert task.cancelled()
    assert script.connections == 2


async def _put(storage: ObjectStorage) -> None:
    await storage.put(OPTIONS, b"body")


@on_both_loops
async def test_a_server_that_does_not_answer_is_given_up_on() -> None:
    script = Script([SILENCE])
    async with listening(script) as origin:
        signer = Signer(access_key="a", secret_key="b", region="us-east-1")
        place = Place(origin=origin, prefix="/", signer=signer)
        puts = SmallPuts(place, "bucket-one", connect_s=5, request_s=0.05)
        with pytest.raises(StorageError, match="did not answer in time"):
            await puts.put("k", {}, b"body")
        await script.ended.wait()


async def test_a_bucket_elsewhere_is_left_to_obstore() -> None:
    """It follows a redirect, and says what to correct where there is nothing to follow."""
    moved = "HTTP/1.1 301 X\r\nContent-Length: 0\r\n\r\n"
    script = Script([moved], [moved])
    async with storing(script) as storage:
        with pytest.raises(StorageError, match=r"check storage\.region"):
            await storage.put(OPTIONS, b"body")
    assert script.bodies == [b"body", b"body"]


@pytest.mark.parametrize(("size", "is_ours"), [(MAX_BYTES, True), (MAX_BYTES + 1, False)])
async def test_only_small_bodies_go_directly(size: int, *, is_ours: bool) -> None:
    script = Script([KEPT])
    async with storing(script) as storage:
        await storage.put(OPTIONS, bytes(size))
    assert ("user-agent" not in script.heads[0].lower()) is is_ours


async def test_what_a_proxy_stands_before_is_left_to_obstore(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = Script([KEPT])
    async with listening(script) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        options = S3Options(endpoint="http://s3.example", access_key="a", secret_key="b")
        async with s3_storage(options) as storage:
            await storage.put(OPTIONS, b"body")
    assert script.heads[0].startswith("PUT http://s3.example/bucket-one/k HTTP/1.1\r\n")


async def test_a_session_token_is_sent_and_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a/token+=")
    script = Script([KEPT])
    async with storing(script) as storage:
        await storage.put(OPTIONS, b"body")
    head = script.heads[0]
    assert "\r\nx-amz-security-token: a/token+=\r\n" in head
    assert "x-amz-meta-x;x-amz-security-token," in head


async def test_attributes_become_the_headers_that_obstore_makes_of_them() -> None:
    options = UploadOptions(
        bucket="bucket-one",
        key="a b/ü",
        content_type="text/plain",
        content_encoding="gzip",
        metadata={
            "Cache-Control": "no-store",
            "content-disposition": "inline",
            "content-language": "de",
            "storage-class": "STANDARD_IA",
            "note": "中",
        },
    )
    script = Script([KEPT], [KEPT])
    async with storing(script) as storage:
        await storage.put(options, b"body")
        await storage.put(options, bytes(MAX_BYTES + 1))
    ours, theirs = (dict(_fields(head)) for head in script.heads)
    assert ours.pop("") == theirs.pop("") == "PUT /bucket-one/a%20b/%C3%BC HTTP/1.1"
    theirs.pop("user-agent")
    theirs.pop("accept", None)
    for changing in ("authorization", "x-amz-date", "content-length"):
        assert ours.pop(changing) != ""
        theirs.pop(changing)
    assert ours == theirs


def _fields(head: str) -> Iterator[tuple[str, str]]:
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    yield "", first
    for line in lines:
        name, _, value = line.partition(": ")
        yield name.lower(), value


@on_both_loops
async def test_a_certificate_has_to_be_trusted() -> None:
    with TemporaryDirectory() as folder:
        context, _ = identity(Path(folder))
        async with storing(Script([KEPT]), context) as storage:
            assert await fault_of(storage) == "could not connect to storage"


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_an_authority_of_the_environment_is_trusted(
    loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context, authority = identity(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    script = Script([KEPT, KEPT])

    async def story() -> None:
        async with storing(script, context) as storage:
            for body in (b"one", bytes(MAX_BYTES)):
                assert (await storage.put(OPTIONS, body)).etag == "e"

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(story())
    assert script.connections == 1


def identity(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for 127.0.0.1 that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "storage")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    secret, public = folder / "key.pem", folder / "certificate.pem"
    secret.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public.write_bytes(certificate.public_bytes(pem))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, secret)
    return context, public
