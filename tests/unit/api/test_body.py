"""Bodies are read within limits, whatever is sent."""

import gzip
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest

from fetchbox.api.body import Encoding, encoding_of, read_body
from fetchbox.model.failure import FailureCode, FetchBoxError
from tests.fakes.asgi import Upload

LIMIT = 1000
TEXT = b'{"a": 1}'
ZIPPED = gzip.compress(TEXT)

INVALID = FailureCode.VALIDATION_INVALID_ENCODING
TOO_LARGE = FailureCode.VALIDATION_PAYLOAD_TOO_LARGE


async def read(
    upload: Upload, encoding: Encoding = Encoding.IDENTITY, announced: int | None = None
) -> bytes:
    events = upload.events()
    return await read_body(
        lambda: anext(events), encoding=encoding, limit=LIMIT, announced=announced
    )


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(None, Encoding.IDENTITY, id="absent"),
        pytest.param("identity", Encoding.IDENTITY, id="identity"),
        pytest.param("gzip", Encoding.GZIP, id="gzip"),
        pytest.param("GZip", Encoding.GZIP, id="case"),
    ],
)
def test_encoding_is_read(header: str | None, expected: Encoding) -> None:
    assert encoding_of(header) is expected


@pytest.mark.parametrize("header", ["deflate", "br", "gzip, gzip", "gzip,", "x-gzip", "zstd"])
def test_encoding_is_refused(header: str) -> None:
    with pytest.raises(FetchBoxError) as caught:
        encoding_of(header)
    assert caught.value.failure.code is INVALID


@pytest.mark.parametrize(
    ("chunks", "encoding", "expected"),
    [
        pytest.param([TEXT], Encoding.IDENTITY, TEXT, id="plain"),
        pytest.param([b"", TEXT[:3], b"", TEXT[3:]], Encoding.IDENTITY, TEXT, id="in-pieces"),
        pytest.param([], Encoding.IDENTITY, b"", id="empty"),
        pytest.param([b"x" * LIMIT], Encoding.IDENTITY, b"x" * LIMIT, id="at-the-limit"),
        pytest.param([ZIPPED], Encoding.GZIP, TEXT, id="gzip"),
        pytest.param([bytes([b]) for b in ZIPPED], Encoding.GZIP, TEXT, id="gzip-by-byte"),
        pytest.param(
            [gzip.compress(b"x" * LIMIT)], Encoding.GZIP, b"x" * LIMIT, id="gzip-at-the-limit"
        ),
        pytest.param([gzip.compress(b"")], Encoding.GZIP, b"", id="gzip-of-nothing"),
    ],
)
async def test_body_is_read(chunks: list[bytes], encoding: Encoding, expected: bytes) -> None:
    assert await read(Upload(chunks), encoding) == expected


@pytest.mark.parametrize(
    ("chunks", "encoding", "code"),
    [
        pytest.param([b"x" * (LIMIT + 1)], Encoding.IDENTITY, TOO_LARGE, id="over-the-limit"),
        pytest.param([b"x" * 600] * 2, Encoding.IDENTITY, TOO_LARGE, id="over-in-pieces"),
        pytest.param(
            [gzip.compress(b"x" * (LIMIT + 1))], Encoding.GZIP, TOO_LARGE, id="gzip-over-by-one"
        ),
        pytest.param(
            [zlib.compress(b"x", 0, 31)[:10] + b"x" * LIMIT],
            Encoding.GZIP,
            TOO_LARGE,
            id="gzip-wire-over",
        ),
        pytest.param([b""], Encoding.GZIP, INVALID, id="gzip-of-no-bytes"),
        pytest.param([ZIPPED[:-1]], Encoding.GZIP, INVALID, id="truncated-trailer"),
        pytest.param([ZIPPED[:12]], Encoding.GZIP, INVALID, id="truncated-data"),
        pytest.param([TEXT], Encoding.GZIP, INVALID, id="not-gzip"),
        pytest.param([zlib.compress(TEXT)], Encoding.GZIP, INVALID, id="zlib-not-gzip"),
        pytest.param(
            [ZIPPED[:-5] + b"\0" + ZIPPED[-4:]], Encoding.GZIP, INVALID, id="wrong-checksum"
        ),
        pytest.param([ZIPPED + b"!"], Encoding.GZIP, INVALID, id="trailing-garbage"),
        pytest.param([ZIPPED, b"!"], Encoding.GZIP, INVALID, id="trailing-chunk"),
        pytest.param([ZIPPED + ZIPPED], Encoding.GZIP, INVALID, id="two-members"),
    ],
)
async def test_body_is_refused(chunks: list[bytes], encoding: Encoding, code: FailureCode) -> None:
    with pytest.raises(FetchBoxError) as caught:
        await read(Upload(chunks), encoding)
    assert caught.value.failure.code is code


async def test_announced_size_over_the_limit_is_refused_before_reading() -> None:
    upload = Upload([b"x"])
    with pytest.raises(FetchBoxError) as caught:
        await read(upload, announced=LIMIT + 1)
    assert upload.taken == 0
    assert caught.value.failure.context == {"limit": "1000", "actual": "1001"}
    assert "1001" in caught.value.failure.message


async def test_client_that_leaves_early_is_no_complete_body() -> None:
    with pytest.raises(FetchBoxError) as caught:
        await read(Upload([b"{"], is_cut=True))
    assert caught.value.failure.code is INVALID


def _endless(chunk: bytes) -> Iterator[bytes]:
    while True:
        yield chunk


def _bomb() -> Iterator[bytes]:
    """100 MB of zeros, about 100 kB on the wire, 100 bytes at a time."""
    deflate = zlib.compressobj(9, wbits=31)
    for _ in range(100):
        packed = deflate.compress(bytes(1 << 20))
        yield from (packed[at : at + 100] for at in range(0, len(packed), 100))
    yield deflate.flush()


@pytest.mark.parametrize(
    ("chunks", "encoding"),
    [
        pytest.param(_endless(b"x" * 4096), Encoding.IDENTITY, id="endless-upload"),
        pytest.param(_bomb(), Encoding.GZIP, id="gzip-bomb"),
    ],
)
async def test_memory_stays_flat(chunks: Iterator[bytes], encoding: Encoding) -> None:
    limit = 200_000
    upload = Upload(chunks)
    events = upload.events()
    tracemalloc.start()
    try:
        with pytest.raises(FetchBoxError) as caught:
            await read_body(lambda: anext(events), encoding=encoding, limit=limit, announced=None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.failure.code is TOO_LARGE
    assert upload.size_bytes <= limit + 4096
    assert peak < 3_000_000
