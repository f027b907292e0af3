"""Where objects lie (contract 5.8)."""

import pytest

from fetchbox.model.keys import manifest_object_key, manifest_uri, resource_key
from fetchbox.model.task import StorageHint


@pytest.mark.parametrize(
    ("hint", "prefix", "key"),
    [
        pytest.param(None, "", "resources/t/j/a/b.png", id="no-hint"),
        pytest.param(None, "pre/", "pre/resources/t/j/a/b.png", id="default-prefix"),
        pytest.param(StorageHint(bucket="b"), "", "resources/t/j/a/b.png", id="bucket-only"),
        pytest.param(StorageHint(key_prefix="g/j"), "", "g/j/a/b.png", id="key-prefix"),
        pytest.param(StorageHint(key_prefix="g/j/"), "", "g/j/a/b.png", id="trailing-slash"),
        pytest.param(
            StorageHint(key_prefix="g/j"), "pre/", "g/j/a/b.png", id="default-prefix-not-on-hints"
        ),
        pytest.param(StorageHint(key="as/is"), "pre/", "as/is", id="full-key"),
        pytest.param(StorageHint(key="as/is", key_prefix="g"), "", "as/is", id="full-key-wins"),
    ],
)
def test_resource_key(hint: StorageHint | None, prefix: str, key: str) -> None:
    found = resource_key(
        job_type="t", job_id="j", resource_id="a/b.png", hint=hint, default_prefix=prefix
    )
    assert found == key


@pytest.mark.parametrize(
    ("prefix", "key"),
    [("", "manifests/t/j/metadata.json"), ("pre/", "pre/manifests/t/j/metadata.json")],
)
def test_manifest_key(prefix: str, key: str) -> None:
    assert manifest_object_key("t", "j", prefix) == key
    assert manifest_uri("bucket", key) == f"s3://bucket/{key}"
