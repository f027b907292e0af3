"""Read request headers: raw bytes in, text or a refusal out."""

import re
from collections.abc import Iterable
from typing import Final

from fetchbox.model.failure import FailureCode, fail

MAX_VALUE_LENGTH: Final = 255

RawHeaders = Iterable[tuple[bytes, bytes]]

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - HTTP's word for a name
_JSON: Final = re.compile(
    rf"application/json(\s*;\s*({_TOKEN}=({_TOKEN}|\"[^\"\\]*\"))?)*\s*", re.IGNORECASE
)
_REQUEST_ID: Final = re.compile(rb"[\x21-\x7e]{1,128}")


def raw_value(headers: RawHeaders, name: bytes) -> bytes:
    """Return the first value of a header (`name` in lower case), trimmed; empty when absent."""
    return next((value.strip() for key, value in headers if key == name), b"")


def text_value(headers: RawHeaders, name: str) -> str | None:
    """Return a header as text, None when absent or empty; refuses long or undecodable ones."""
    raw = raw_value(headers, name.lower().encode())
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        message = f"header {name} is not UTF-8"
        raise fail(FailureCode.VALIDATION_INVALID_FIELD, message, field=name) from error
    if len(text) > MAX_VALUE_LENGTH:
        message = f"header {name} is longer than {MAX_VALUE_LENGTH} characters"
        raise fail(
            FailureCode.VALIDATION_INVALID_FIELD,
            message,
            field=name,
            limit=MAX_VALUE_LENGTH,
            actual=len(text),
        )
    return text or None


def require_json(headers: RawHeaders) -> None:
    """Refuse every Content-Type but application/json, parameters allowed (contract 1.2)."""
    value = raw_value(headers, b"content-type").decode("latin-1")
    if not _JSON.fullmatch(value):
        message = f"Content-Type must be application/json, not {value[:80]!r}"
        raise fail(FailureCode.VALIDATION_INVALID_CONTENT_TYPE, message, field="Content-Type")


def content_length(headers: RawHeaders) -> int | None:
    """Return the announced size of the body; None when absent (the server checks its form)."""
    value = raw_value(headers, b"content-length")
    return int(value) if value.isdigit() else None


def request_id_of(headers: RawHeaders) -> str | None:
    """Return a client's X-Request-Id if it is short and printable."""
    value = raw_value(headers, b"x-request-id")
    return value.decode("ascii") if _REQUEST_ID.fullmatch(value) else None
