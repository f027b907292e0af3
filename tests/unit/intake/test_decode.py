"""From bytes to a manifest: whatever is sent, it is accepted or refused for a reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchbox.intake.decode import decode_manifest
from fetchbox.model.failure import FailureCode, FetchBoxError
from fetchbox.model.manifest import ManifestLimits
from tests.factories import make_manifest

LIMITS = ManifestLimits()
DEEP = 100_000


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"", "not valid JSON", id="empty"),
        pytest.param(b"{", "not valid JSON", id="truncated"),
        pytest.param(b'{"a": 1} x', "not valid JSON", id="trailing"),
        pytest.param(b"{'a': 1}", "not valid JSON", id="single-quotes"),
        pytest.param(b'{"a": NaN}', "not valid JSON", id="nan"),
        pytest.param(b"\xef\xbb\xbf{}", "not valid JSON", id="byte-order-mark"),
        pytest.param(b'{"a": "\\ud800"}', "not valid JSON", id="lone-surrogate"),
        pytest.param(b'{"a": "\x01"}', "not valid JSON", id="control-character"),
        pytest.param(b'{"a": 1e999}', "not valid JSON", id="number-without-end"),
        pytest.param(b'{"a": "\xff"}', "UTF-8", id="no-utf-8"),
        pytest.param('{"a": "ü"}'.encode("latin-1"), "UTF-8", id="latin-1"),
        pytest.param('{"a": 1}'.encode("utf-16"), "", id="utf-16"),
        pytest.param(b"[" * DEEP + b"]" * DEEP, "too deeply", id="deep-array"),
        pytest.param(b'{"a":' * DEEP + b"1" + b"}" * DEEP, "too deeply", id="deep-object"),
        pytest.param(b"[" * DEEP, "too deeply", id="deep-and-truncated"),
        pytest.param(b"[]", "JSON object", id="array"),
        pytest.param(b"1", "JSON object", id="number"),
    ],
)
def test_body_that_is_no_json_object_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(FetchBoxError) as caught:
        decode_manifest(body, LIMITS)

    assert caught.value.failure.code is FailureCode.VALIDATION_INVALID_JSON
    assert says in caught.value.failure.message


def test_good_body_is_decoded() -> None:
    document = make_manifest(metadata={"ü": ["€", 10**30, None]})
    manifest = decode_manifest(json.dumps(document, ensure_ascii=False).encode(), LIMITS)
    assert manifest.metadata == document["metadata"]


def test_last_of_two_equal_names_wins() -> None:
    body = json.dumps(make_manifest()).replace('"v1"', '"v2", "manifest_version": "v1"').encode()
    assert decode_manifest(body, LIMITS).manifest_version == "v1"


@given(body=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_refused_for_a_reason(body: bytes) -> None:
    with pytest.raises(FetchBoxError, match="VALIDATION_"):
        decode_manifest(body, LIMITS)
