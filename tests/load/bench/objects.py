"""What lies in the bucket after a run: counted and compared outside the timed span."""

import hashlib
import json
import urllib.request
from collections import Counter
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.config import Config


def client_of(s3: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=s3,
        aws_access_key_id="bench-key",
        aws_secret_access_key="bench-secret",
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def make_bucket(s3: str, bucket: str) -> None:
    client_of(s3).create_bucket(Bucket=bucket)


def presigned_put(s3: str, bucket: str, key: str) -> str:
    """Return an address that takes one PUT without any credentials."""
    url: str = client_of(s3).generate_presigned_url(
        "put_object", Params={"Bucket": bucket, "Key": key}
    )
    return url


def count_stored(plane: str, s3: str, bucket: str, size: int, sample_url: str) -> int:
    """Count the objects that have the size and the MD5 of the body the origin serves."""
    with urllib.request.urlopen(sample_url) as response:  # noqa: S310  # an address of our own
        etag = hashlib.md5(response.read()).hexdigest()  # noqa: S324  # what S3 calls an ETag
    return bodies_in(plane, s3, bucket)[size, etag]


def bodies_in(plane: str, s3: str, bucket: str) -> Counter[tuple[int, str]]:
    """Count what lies in the bucket by size and ETag."""
    if plane == "N":
        with urllib.request.urlopen(f"{s3}/stats") as response:  # noqa: S310  # an address of our own
            bodies: dict[str, int] = json.load(response)["bodies"]
        return Counter({_size_and_etag(*text.split()): count for text, count in bodies.items()})
    pages = client_of(s3).get_paginator("list_objects_v2").paginate(Bucket=bucket)
    entries = (entry for page in pages for entry in page.get("Contents", ()))
    return Counter(_size_and_etag(entry["Size"], entry["ETag"]) for entry in entries)


def _size_and_etag(size: int | str, quoted: str) -> tuple[int, str]:
    return int(size), quoted.strip('"')


def possible_etags(block: bytes, blocks: int) -> frozenset[str]:
    """Return the ETags S3 gives to a body of so many equal blocks, for every size of its parts.

    The parts are taken to be whole blocks, the last one maybe fewer than the others.
    """
    digests = [b""]
    running_digest = hashlib.md5()  # noqa: S324  # what S3 calls an ETag
    for _ in range(blocks):
        running_digest.update(block)
        digests.append(running_digest.digest())
    return frozenset(
        {digests[blocks].hex()} | {_etag(digests, part) for part in range(1, blocks + 1)}
    )


def _etag(digests: Sequence[bytes], part: int) -> str:
    """Join parts of `part` blocks; `digests` are those of 0, 1, 2, ... blocks."""
    whole, rest = divmod(len(digests) - 1, part)
    parts = [digests[part]] * whole + [digests[rest]] * (rest > 0)
    return f"{hashlib.md5(b''.join(parts)).hexdigest()}-{len(parts)}"  # noqa: S324  # as above
