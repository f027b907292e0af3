"""The ends of a benchmark: what they serve, and what they say was stored. Built where Go is."""

import hashlib
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.load.bench.floor import build_floor, floor
from tests.load.bench.objects import bodies_in, client_of, possible_etags, presigned_put

MIB = 1 << 20

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="needs a Go toolchain")


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_floor(tmp_path_factory.mktemp("floor"))


@pytest.fixture
def origin(binary: Path) -> Iterator[str]:
    with floor(binary, "origin") as url:
        yield url


@pytest.fixture
def sink(binary: Path) -> Iterator[str]:
    with floor(binary, "sink") as url:
        yield url


def read(url: str) -> tuple[bytes, Any]:
    with urllib.request.urlopen(url) as answer:  # noqa: S310  # an address of our own
        return answer.read(), answer.headers


def test_origin_serves_the_same_body_with_a_length_and_without(origin: str) -> None:
    known, headers = read(f"{origin}/b/{3 * MIB + 1}/x")
    unknown, chunked = read(f"{origin}/c/{3 * MIB + 1}/x")

    assert len(known) == 3 * MIB + 1
    assert known == unknown
    assert (headers["Content-Length"], chunked["Content-Length"]) == (str(3 * MIB + 1), None)
    assert known[:MIB] == known[MIB : 2 * MIB]


def test_origin_tells_when_each_path_was_asked_for(origin: str) -> None:
    for path in ("/b/1/first?delay=50", "/b/1/second", "/b/1/second"):
        read(f"{origin}{path}")

    moments = json.loads(read(f"{origin}/moments")[0])

    (first,), (second, again) = moments["/b/1/first"], moments["/b/1/second"]
    assert first + 0.05 <= second <= again


def test_sink_knows_a_body_that_came_in_parts_as_s3_would(origin: str, sink: str) -> None:
    """Parts may arrive in any order; their numbers count."""
    block, _ = read(f"{origin}/b/{MIB}/block")
    s3: Any = client_of(sink)
    target = {"Bucket": "bucket", "Key": "large"}
    upload = target | {"UploadId": s3.create_multipart_upload(**target)["UploadId"]}
    sent = {2: block, 1: block * 2}
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**upload, PartNumber=n, Body=body)["ETag"]}
        for n, body in sent.items()
    ]
    told = s3.complete_multipart_upload(
        **upload, MultipartUpload={"Parts": sorted(parts, key=lambda part: part["PartNumber"])}
    )

    ((size, etag),) = bodies_in("N", sink, "bucket")
    assert size == 3 * MIB
    assert told["ETag"] == f'"{etag}"'
    assert etag.endswith("-2")
    assert etag in possible_etags(block, 3)


def test_clients_move_bodies_and_tell_how_long_it_took(
    binary: Path, origin: str, sink: str
) -> None:
    body, _ = read(f"{origin}/b/{2 * MIB}/x")
    urls = [presigned_put(sink, "bucket", f"alone-{number}") for number in range(3)]

    put = subprocess.run([binary, "put", str(len(body)), *urls], capture_output=True, check=True)
    get = subprocess.run([binary, "get", f"{origin}/b/10/x"], capture_output=True, check=True)

    assert bodies_in("N", sink, "bucket") == {(len(body), hashlib.md5(body).hexdigest()): 3}  # noqa: S324  # S3's choice
    assert min(json.loads(each.stdout)["seconds"] for each in (put, get)) > 0


def test_client_fails_where_a_body_is_refused(binary: Path, origin: str) -> None:
    run = subprocess.run(
        [binary, "get", f"{origin}/b/1/x?status=503"], capture_output=True, check=False
    )

    assert run.returncode == 1
