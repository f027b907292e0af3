"""What clients may ask for: query strings and small JSON bodies, checked against structs.

Names that are not known are refused, so that a misspelt filter never widens a request.
"""

import base64
import binascii
import re
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from msgspec import Meta, Struct

from fetchbox.api.answers import ShownStatus
from fetchbox.api.body import Encoding, read_body
from fetchbox.api.headers import content_length, require_json
from fetchbox.model.failure import FailureCode, FetchBoxError, fail
from fetchbox.model.job import Pointer

#: Largest number every store and broker can hold.
MAX_NUMBER: Final = 2**63 - 1
MAX_FILTER_BYTES: Final = 65_536

#: The field a msgspec message names: "... at `$.limit`", "... unknown field `limt`".
_FIELD: Final = re.compile(r"`(?:\$\.)?([^`]+)`$")

T = TypeVar("T", bound=Struct)

Offset = Annotated[int, Meta(ge=0, le=MAX_NUMBER)]
Partition = Annotated[int, Meta(ge=0, le=65_535)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]


class JobsQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    """Filters and page of GET /operators/jobs."""

    status: Annotated[ShownStatus | None, Meta(description="the shown status")] = None
    job_type: Name | None = None
    tenant: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=500, description="jobs per page")] = 50
    cursor: Annotated[str | None, Meta(description="`next_cursor` of the page before")] = None


class LogsQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    """Range of GET /operators/jobs/{job_id}/logs."""

    since_offset: Annotated[
        Offset | None, Meta(description="first offset, inclusive; default: the job's log cursor")
    ] = None
    limit: Annotated[int, Meta(ge=1, le=10_000, description="events to emit at most")] = 1000
    follow: Annotated[bool, Meta(description="keep tailing until the job is over")] = False


class FailuresQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    """Size of GET /operators/ledger/failures."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 20


class DeadLettersQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    """Filters of GET /operators/dlq and, as a body, of POST /operators/dlq/replay."""

    job_id: Name | None = None
    code: Annotated[Name | None, Meta(description="failure code, e.g. DOWNLOAD_HTTP_5XX")] = None
    partition: Annotated[Partition | None, Meta(description="together with offset")] = None
    offset: Annotated[Offset | None, Meta(description="together with partition")] = None
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000

    def pointer(self) -> Pointer | None:
        """Return the one place asked for; half a pointer is refused."""
        if self.partition is None and self.offset is None:
            return None
        if self.partition is None or self.offset is None:
            msg = "partition and offset go together"
            raise _invalid(msg)
        return Pointer(partition=self.partition, offset=self.offset)


class NoQuery(Struct, forbid_unknown_fields=True):
    """Nothing may be asked for."""


def parse_query(request: Request[Any, Any, Any], shape: type[T]) -> T:
    """Read the query string; of a repeated name the last value counts."""
    text = request.scope["query_string"].decode("latin-1")
    try:
        pairs = dict(parse_qsl(text, keep_blank_values=True, errors="strict"))
        return msgspec.convert(pairs, shape, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        msg = f"query: {error}"
        raise _invalid(msg, _FIELD.search(str(error))) from error


async def parse_filter(request: Request[Any, Any, Any], shape: type[T]) -> T:
    """Read an optional JSON body; filters in the query string would be missed, so refuse them."""
    parse_query(request, NoQuery)
    headers = request.scope["headers"]
    body = await read_body(
        request.receive,
        encoding=Encoding.IDENTITY,
        limit=MAX_FILTER_BYTES,
        announced=content_length(headers),
    )
    if not body:
        return shape()
    require_json(headers)
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        msg = f"body: {error}"
        raise _invalid(msg, _FIELD.search(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise fail(FailureCode.VALIDATION_INVALID_JSON, f"body: {error}") from error


def last_event_id(value: str | None) -> int | None:
    """Read Last-Event-ID: the last offset a client has seen."""
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and int(value) < MAX_NUMBER):
        msg = "Last-Event-ID must be an offset"
        raise _invalid(msg)
    return int(value)


def cursor_of(job_id: str) -> str:
    """Make the opaque cursor that continues after `job_id`."""
    return base64.urlsafe_b64encode(job_id.encode()).decode().rstrip("=")


def job_id_of(cursor: str | None) -> str | None:
    """Read a cursor back."""
    if cursor is None:
        return None
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        msg = "cursor: not one this API gave out"
        raise _invalid(msg) from error


def _invalid(message: str, named: re.Match[str] | None = None) -> FetchBoxError:
    return fail(FailureCode.VALIDATION_INVALID_FIELD, message, field=named and named[1])
