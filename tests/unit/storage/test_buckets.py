import pytest

from fetchbox.storage.buckets import MAX_OPEN, refuse_bad_key, refuse_bad_name
from fetchbox.storage.local import LocalBuckets
from fetchbox.storage.port import StorageError
from fetchbox.storage.s3 import S3Buckets, S3Options, endpoint_of


@pytest.mark.parametrize("name", ["abc", "fetchbox-default", "a.b.c", "0a9", "x" * 63])
def test_a_good_bucket_name_passes(name: str) -> None:
    refuse_bad_name(name)


@pytest.mark.parametrize("name", ["ab", "-ab", "ab-", "a_b", "a b", "ab\n", "a..b", "é" * 3])
def test_a_bad_bucket_name_is_refused(name: str) -> None:
    with pytest.raises(StorageError, match="UPLOAD_INVALID_BUCKET"):
        refuse_bad_name(name)


def test_a_key_of_the_greatest_length_passes() -> None:
    refuse_bad_key("bkt", "é" * 512)
    with pytest.raises(StorageError, match="longer than 1024 bytes"):
        refuse_bad_key("bkt", "é" * 512 + "x")


@pytest.mark.parametrize(
    ("options", "endpoint"),
    [
        pytest.param(S3Options(), None, id="amazon"),
        pytest.param(S3Options(endpoint="http://minio:9000/"), "http://minio:9000", id="path"),
        pytest.param(
            S3Options(endpoint="https://s3.example.com", force_path_style=False),
            "https://bkt.s3.example.com",
            id="virtual-host",
        ),
    ],
)
def test_the_bucket_is_where_the_endpoint_wants_it(
    options: S3Options, endpoint: str | None
) -> None:
    assert endpoint_of(options, "bkt") == endpoint


def test_credentials_are_not_shown() -> None:
    shown = repr(S3Options(access_key="AKIAEXAMPLE", secret_key="very-secret"))
    assert "AKIAEXAMPLE" not in shown
    assert "very-secret" not in shown


def test_stores_are_kept_but_not_without_end() -> None:
    buckets = S3Buckets(S3Options(endpoint="http://127.0.0.1:1", access_key="a", secret_key="b"))
    first = buckets.store("bucket-0")
    assert buckets.store("bucket-0") is first
    for number in range(MAX_OPEN + 5):
        buckets.store(f"bucket-{number}")
    assert len(buckets._stores) == MAX_OPEN
    assert buckets.store("bucket-0") is not first


async def test_local_stores_are_kept_but_not_without_end(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    buckets = LocalBuckets(tmp_path_factory.mktemp("objects"))
    for number in range(MAX_OPEN + 5):
        await buckets.ensure(f"bucket-{number}")
        buckets.store(f"bucket-{number}")
    assert len(buckets._stores) == MAX_OPEN
