"""What is in object storage: a boto3 client with short timeouts, and views tests need."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.common.addresses import Addresses

#: FetchBox uploads large bodies in parts of this size (contract 5.8).
PART_BYTES: Final = 5 * 1024 * 1024


def minio_client(addresses: Addresses) -> Any:
    """Make the S3 client."""
    return boto3.client(
        "s3",
        endpoint_url=addresses.s3,
        region_name="us-east-1",
        aws_access_key_id=addresses.s3_access_key,
        aws_secret_access_key=addresses.s3_secret_key,
        config=Config(
            connect_timeout=2,
            read_timeout=10,
            retries={"max_attempts": 2},
            s3={"addressing_style": "path"},
            proxies={},
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An object as a listing shows it."""

    size_bytes: int
    etag: str
    modified_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An object with its bytes."""

    body: bytes
    content_type: str
    content_encoding: str
    metadata: Mapping[str, str]


def list_objects(client: Any, bucket: str, prefix: str) -> dict[str, Listed]:
    """Return the objects under a prefix by key."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {
        entry["Key"]: Listed(
            size_bytes=entry["Size"],
            etag=entry["ETag"].strip('"'),
            modified_ms=entry["LastModified"].timestamp() * 1000,
        )
        for page in pages
        for entry in page.get("Contents", [])
    }


def fetch_object(client: Any, bucket: str, key: str) -> Fetched | None:
    """Read one object; None when it is not there."""
    try:
        answer = client.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            return None
        raise
    with closing(answer["Body"]) as stream:
        body = stream.read()
    return Fetched(
        body=body,
        content_type=answer.get("ContentType", ""),
        content_encoding=answer.get("ContentEncoding", ""),
        metadata=answer.get("Metadata", {}),
    )


def object_digest(client: Any, bucket: str, key: str) -> tuple[int, str]:
    """Return size and SHA-256 of an object without holding it."""
    digest, size = hashlib.sha256(), 0
    with closing(client.get_object(Bucket=bucket, Key=key)["Body"]) as stream:
        for chunk in stream.iter_chunks(1024 * 1024):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def etags_of(body: bytes) -> Iterator[str]:
    """Yield the entity tags S3 may give a body: put at once, and in parts."""
    yield hashlib.md5(body, usedforsecurity=False).hexdigest()
    parts = [body[at : at + PART_BYTES] for at in range(0, len(body), PART_BYTES)]
    digests = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in parts)
    yield f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
