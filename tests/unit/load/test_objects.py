"""What S3 calls a body that came in parts, whatever the size of the parts."""

import hashlib

import pytest

from tests.load.bench.objects import possible_etags

BLOCK = bytes(range(256)) * 4


def etag_of(parts: list[bytes]) -> str:
    """Return the ETag of an upload in these parts, as S3 documents it."""
    digests = b"".join(hashlib.md5(part).digest() for part in parts)  # noqa: S324  # S3's choice
    return f"{hashlib.md5(digests).hexdigest()}-{len(parts)}"  # noqa: S324


@pytest.mark.parametrize("part", range(1, 8))
def test_an_upload_in_parts_of_any_whole_size_is_known(part: int) -> None:
    body = BLOCK * 7
    size = part * len(BLOCK)
    parts = [body[at : at + size] for at in range(0, len(body), size)]

    assert etag_of(parts) in possible_etags(BLOCK, 7)


def test_a_body_in_one_request_is_known() -> None:
    whole = hashlib.md5(BLOCK * 7).hexdigest()  # noqa: S324  # S3's choice

    assert whole in possible_etags(BLOCK, 7)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(BLOCK * 6, id="shorter"),
        pytest.param(BLOCK * 3 + BLOCK[::-1] + BLOCK * 3, id="one-block-differs"),
        pytest.param((BLOCK * 7)[1:] + BLOCK[:1], id="shifted-by-a-byte"),
    ],
)
def test_another_body_is_not(body: bytes) -> None:
    halves = [body[: 4 * len(BLOCK)], body[4 * len(BLOCK) :]]

    assert not {etag_of([body]), etag_of(halves)} & possible_etags(BLOCK, 7)
