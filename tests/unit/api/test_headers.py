"""Request headers are read as text, or refused."""

import pytest

from fetchbox.api.headers import content_length, request_id_of, require_json, text_value
from fetchbox.model.failure import FailureCode, FetchBoxError


@pytest.mark.parametrize(
    "value",
    [
        "application/json",
        "Application/JSON",
        " application/json ",
        "application/json; charset=utf-8",
        'application/json;charset="utf-8"',
        "application/json ; profile=x; charset=utf-8",
        "application/json;",
    ],
)
def test_json_is_accepted(value: str) -> None:
    require_json([(b"content-type", value.encode())])


@pytest.mark.parametrize(
    "value",
    [
        "",
        "application/jsonp",
        "application/json-patch+json",
        "application/ld+json",
        "text/json",
        "json",
        "application/json, text/plain",
        "application/json charset=utf-8",
        "application/json; charset",
        "application / json",
        "\xe9",
    ],
)
def test_other_content_types_are_refused(value: str) -> None:
    with pytest.raises(FetchBoxError) as caught:
        require_json([(b"content-type", value.encode("latin-1"))])
    assert caught.value.failure.code is FailureCode.VALIDATION_INVALID_CONTENT_TYPE


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(b"acme", "acme", id="text"),
        pytest.param(b"  acme ", "acme", id="trimmed"),
        pytest.param(b" ", None, id="blank"),
        pytest.param("größe".encode(), "größe", id="utf-8"),
        pytest.param(b"x" * 255, "x" * 255, id="longest"),
    ],
)
def test_text_is_read(raw: bytes, expected: str | None) -> None:
    assert text_value([(b"x-fetchbox-tenant", raw)], "X-Fetchbox-Tenant") == expected


@pytest.mark.parametrize("raw", [b"caf\xe9", b"x" * 256], ids=["latin-1", "too-long"])
def test_text_is_refused(raw: bytes) -> None:
    with pytest.raises(FetchBoxError) as caught:
        text_value([(b"x-fetchbox-tenant", raw)], "X-Fetchbox-Tenant")
    assert caught.value.failure.code is FailureCode.VALIDATION_INVALID_FIELD
    assert caught.value.failure.context["field"] == "X-Fetchbox-Tenant"


def test_absent_header_is_none() -> None:
    assert text_value([], "X-Fetchbox-Tenant") is None


@pytest.mark.parametrize(
    ("raw", "expected"), [(b"12", 12), (b"", None), (b"-1", None), (b"1_0", None)]
)
def test_content_length_is_read(raw: bytes, expected: int | None) -> None:
    assert content_length([(b"content-length", raw)]) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(b"abc-1", "abc-1", id="plain"),
        pytest.param(b"x" * 128, "x" * 128, id="longest"),
        pytest.param(b"x" * 129, None, id="too-long"),
        pytest.param(b"a b", None, id="space"),
        pytest.param(b"\xe9", None, id="not-ascii"),
        pytest.param(b"", None, id="empty"),
    ],
)
def test_request_id_is_kept_when_harmless(raw: bytes, expected: str | None) -> None:
    assert request_id_of([(b"x-request-id", raw)]) == expected
