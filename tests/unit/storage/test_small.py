"""Where a bucket is, as obstore says it."""

import pytest

from fetchbox.storage.s3 import S3Buckets, S3Options
from fetchbox.storage.signature import Signer
from fetchbox.storage.small import Place, is_proxied, place_of

KEYS = {"access_key": "AKIA/EXAMPLE", "secret_key": "very-secret"}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def place(endpoint: str | None = None, *, path: bool = True, region: str | None = None) -> Place:
    options = S3Options(endpoint=endpoint, region=region, force_path_style=path, **KEYS)
    return place_of(S3Buckets(options)._open("my-bucket"), KEYS["secret_key"])


@pytest.mark.parametrize(
    ("found", "origin", "prefix"),
    [
        (place("http://s3.example:9000"), "http://s3.example:9000", "/my-bucket/"),
        (place("https://s3.example/"), "https://s3.example", "/my-bucket/"),
        (place("https://gate.example/s3"), "https://gate.example", "/s3/my-bucket/"),
        (place("http://s3.example:9", path=False), "http://my-bucket.s3.example:9", "/"),
        (
            place(path=False, region="eu-west-1"),
            "https://my-bucket.s3.eu-west-1.amazonaws.com",
            "/",
        ),
        (place(region="eu-west-1"), "https://s3.eu-west-1.amazonaws.com", "/my-bucket/"),
    ],
    ids=["path", "slash", "below-a-path", "host", "amazon-host", "amazon-path"],
)
def test_a_bucket_is_where_obstore_says(found: Place, origin: str, prefix: str) -> None:
    assert (found.origin, found.prefix) == (origin, prefix)


def test_who_signs_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a/token+=")
    assert place(region="eu-west-1").signer == Signer(
        access_key="AKIA/EXAMPLE", secret_key="very-secret", region="eu-west-1", token="a/token+="
    )
    assert place().signer.region == "us-east-1"


def test_no_secret_is_shown() -> None:
    assert "very-secret" not in repr(place())


@pytest.mark.parametrize(
    ("environment", "is_on_the_way"),
    [
        ({}, False),
        ({"http_proxy": "http://p:1"}, True),
        ({"HTTP_PROXY": "http://p:1"}, True),
        ({"all_proxy": "http://p:1"}, True),
        ({"https_proxy": "http://p:1"}, False),
        ({"http_proxy": "http://p:1", "no_proxy": "s3.example"}, False),
    ],
)
def test_a_proxy_of_the_environment_is_seen(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, *, is_on_the_way: bool
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_proxied(place("http://s3.example:9000")) is is_on_the_way
