"""What lies in the bucket after a run: counted and compared outside the timed span."""

import hashlib
import json
import urllib.request
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


def count_stored(plane: str, s3: str, bucket: str, size: int, sample_url: str) -> int:
    """Count the objects that have the size and the MD5 of the body the origin serves."""
    with urllib.request.urlopen(sample_url) as response:  # noqa: S310  # an address of our own
        etag = hashlib.md5(response.read()).hexdigest()  # noqa: S324  # what S3 calls an ETag
    if plane == "N":
        with urllib.request.urlopen(f"{s3}/stats") as response:  # noqa: S310  # an address of our own
            bodies: dict[str, int] = json.load(response)["bodies"]
        return bodies.get(f'{size} "{etag}"', 0)
    pages = client_of(s3).get_paginator("list_objects_v2").paginate(Bucket=bucket)
    entries = (entry for page in pages for entry in page.get("Contents", ()))
    return sum(entry["Size"] == size and entry["ETag"] == f'"{etag}"' for entry in entries)
