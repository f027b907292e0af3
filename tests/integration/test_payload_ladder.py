"""Bodies of every size and framing arrive with their bytes and their content type."""

import gzip
import hashlib

import pytest

from tests.common.context import DEFAULT_BUCKET, TestContext
from tests.common.objects import object_digest
from tests.common.wiremock import Reply

KIB, MIB = 1024, 1024 * 1024
SIZES = {
    "0 B": 0,
    "1 B": 1,
    "10 KiB": 10 * KIB,
    "1 MiB": MIB,
    "5 MiB - 1": 5 * MIB - 1,
    "5 MiB": 5 * MIB,
    "5 MiB + 1": 5 * MIB + 1,
}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("chunked", [0, 1], ids=["known length", "chunked"])
def test_a_body_arrives(context: TestContext, size: int, chunked: int) -> None:
    """The account after the test compares the bytes."""
    url = context.peer_bytes(size, type="video/x-ladder", chunked=chunked)
    job, _ = context.run({"body": url})

    (line,) = context.completions(job.job_id)
    assert line["fields"]["bytes"] == str(size)
    head = context.minio_client.head_object(Bucket=DEFAULT_BUCKET, Key=job.key("body"))
    assert head["ContentLength"] == size
    assert head["ContentType"] == "video/x-ladder"


@pytest.mark.parametrize("chunked", [0, 1], ids=["known length", "chunked"])
def test_a_large_body_arrives(context: TestContext, chunked: int) -> None:
    url = context.peer_bytes(65 * MIB, type="video/x-ladder", chunked=chunked)
    job, _ = context.run({"body": url})

    (line,) = context.completions(job.job_id)
    size, digest = object_digest(context.minio_client, DEFAULT_BUCKET, job.key("body"))
    assert (size, digest) == (65 * MIB, line["fields"]["sha256"])


def test_a_body_that_ends_with_its_connection_arrives(context: TestContext) -> None:
    context.run({"body": context.peer_bytes(10 * KIB, verb="eof")})


@pytest.mark.parametrize("chunked", [0, 1], ids=["known length", "chunked"])
def test_gzip_content_is_stored_as_received(context: TestContext, chunked: int) -> None:
    url = context.peer_bytes(100 * KIB, gzip=1, chunked=chunked, type="text/plain")
    plain = context.served[url]
    context.served[url] = gzip.compress(plain, mtime=0)
    job, _ = context.run({"body": url})

    stored = context.object(job.key("body"))
    assert gzip.decompress(stored.body) == plain
    assert stored.content_type == "text/plain"
    assert stored.content_encoding == "gzip"


def test_a_body_without_a_type_is_named_by_its_extension(context: TestContext) -> None:
    urls = {
        "of the URL": context.answer("picture.png", Reply(body=b"png")),
        "of the id.css": context.answer("nothing", Reply(body=b"css")),
        "of neither": context.answer("unknown", Reply(body=b"?")),
    }
    job, _ = context.run(urls)

    found = {name: context.object(job.key(name)).content_type for name in urls}
    assert found == {
        "of the URL": "image/png",
        "of the id.css": "text/css",
        "of neither": "application/octet-stream",
    }


def test_a_full_checksum_hint_is_verified(context: TestContext) -> None:
    good, bad = context.serve("good", b"sound"), context.serve("bad", b"unsound")
    hint = f"sha256:{hashlib.sha256(b'sound').hexdigest()}"
    entries = [
        {"id": name, "url": url, "tags": {"checksum_hint": hint}}
        for name, url in (("good", good), ("bad", bad))
    ]
    job = context.submit_manifest({"manifest_version": "v1", "metadata": {}, "resources": entries})
    shown = context.wait_for_job(job.job_id, "failed")

    assert shown["last_error"]["code"] == "DOWNLOAD_CHECKSUM_MISMATCH"
    assert (shown["resource_completed"], shown["resource_failed"]) == (1, 1)
    assert len(context.requests_for("bad")) == 3
