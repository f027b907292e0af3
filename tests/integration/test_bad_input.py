"""What a client may not send: every row of the contract's tables, refused with its reason."""

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any

import pytest

from tests.common.context import TestContext
from tests.common.manifests import manifest, resource
from tests.common.raw_http import Sent, send_pieces

MIB = 1024 * 1024
LIMIT = 5 * MIB
URL = "http://upstream.invalid/a"
GOOD = manifest(resource("a", URL))


def encoded(**changes: Any) -> bytes:
    """Return a good manifest with changes; `...` drops a field."""
    document = {k: v for k, v in (GOOD | changes).items() if v is not Ellipsis}
    return json.dumps(document).encode()


def one(**changes: Any) -> bytes:
    """Return a manifest whose only resource has changes; `...` drops a field."""
    entry = {k: v for k, v in (resource("a", URL) | changes).items() if v is not Ellipsis}
    return encoded(resources=[entry])


def several(*identities: str) -> bytes:
    return encoded(resources=[resource(identity, URL) for identity in identities])


@dataclass(frozen=True, kw_only=True)
class Row:
    """A request, the `reason` it is refused with, and the field the answer names."""

    reason: str
    body: bytes = field(default_factory=encoded)
    named: str | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)


def typed(value: str | None) -> dict[str, str | None]:
    return {"Content-Type": value}


def packed(value: str) -> dict[str, str | None]:
    return {"Content-Encoding": value}


CONTENT_TYPE = "VALIDATION_INVALID_CONTENT_TYPE"
ENCODING = "VALIDATION_INVALID_ENCODING"
JSON = "VALIDATION_INVALID_JSON"
MISSING = "VALIDATION_MISSING_FIELD"
FIELD = "VALIDATION_INVALID_FIELD"
COUNT = "VALIDATION_RESOURCE_COUNT"
RESOURCE_ID = "VALIDATION_RESOURCE_ID"
BAD_URL = "VALIDATION_INVALID_URL"
HEADER = "VALIDATION_HEADER_LIMIT"
TAG = "VALIDATION_TAG_LIMIT"
ZIPPED = gzip.compress(encoded())

ROWS = {
    # 1: content type
    "no content type": Row(headers=typed(None), reason=CONTENT_TYPE),
    "text/json": Row(headers=typed("text/json"), reason=CONTENT_TYPE),
    "jsonp": Row(headers=typed("application/jsonp"), reason=CONTENT_TYPE),
    "json-patch": Row(headers=typed("application/json-patch+json"), reason=CONTENT_TYPE),
    "unparsable content type": Row(headers=typed("application/json; =;"), reason=CONTENT_TYPE),
    # 2: job type
    "no job type": Row(headers={"X-Fetchbox-Job-Type": None}, reason=MISSING),
    "empty job type": Row(headers={"X-Fetchbox-Job-Type": ""}, reason=MISSING),
    # 4: encoding
    "brotli": Row(headers=packed("br"), reason=ENCODING),
    "stacked encodings": Row(headers=packed("gzip, gzip"), body=ZIPPED, reason=ENCODING),
    "not gzip": Row(headers=packed("gzip"), reason=ENCODING),
    "truncated gzip": Row(headers=packed("gzip"), body=ZIPPED[:-9], reason=ENCODING),
    "trailing garbage": Row(headers=packed("gzip"), body=ZIPPED + b"more", reason=ENCODING),
    # 6: JSON
    "empty body": Row(body=b"", reason=JSON),
    "not JSON": Row(body=b"{", reason=JSON),
    "an array": Row(body=b"[]", reason=JSON),
    "a string": Row(body=b'"v1"', reason=JSON),
    "two documents": Row(body=encoded() + encoded(), reason=JSON),
    "invalid UTF-8": Row(body=encoded().replace(b"tests", b"\xff\xfe"), reason=JSON),
    "UTF-16": Row(body=encoded().decode().encode("utf-16"), reason=JSON),
    "nested too deeply": Row(body=b"[" * 100_000 + b"]" * 100_000, reason=JSON),
    "nested too deeply inside": Row(
        body=b'{"metadata": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, reason=JSON
    ),
    # 7: fields
    "no version": Row(body=encoded(manifest_version=...), reason=MISSING, named="manifest_version"),
    "no metadata": Row(body=encoded(metadata=...), reason=MISSING, named="metadata"),
    "no resources": Row(body=encoded(resources=...), reason=MISSING, named="resources"),
    "version is a number": Row(
        body=encoded(manifest_version=1), reason=FIELD, named="manifest_version"
    ),
    "resources is an object": Row(body=encoded(resources={}), reason=FIELD, named="resources"),
    "a resource is a string": Row(body=encoded(resources=[URL]), reason=FIELD),
    "a resource without id": Row(body=one(id=...), reason=MISSING, named="resources[0].id"),
    "a resource without url": Row(body=one(url=...), reason=MISSING, named="resources[0].url"),
    "id is a number": Row(body=one(id=1), reason=FIELD, named="resources[0].id"),
    "headers is a list": Row(body=one(headers=[]), reason=FIELD, named="resources[0].headers"),
    "a header is a number": Row(body=one(headers={"a": 1}), reason=FIELD),
    "tags is null": Row(body=one(tags=None), reason=FIELD, named="resources[0].tags"),
    # 8, 9: version, metadata
    "version 2": Row(
        body=encoded(manifest_version="v2"),
        reason="VALIDATION_UNSUPPORTED_VERSION",
        named="manifest_version",
    ),
    "metadata is a list": Row(
        body=encoded(metadata=[]), reason="VALIDATION_INVALID_METADATA", named="metadata"
    ),
    "metadata is null": Row(body=encoded(metadata=None), reason="VALIDATION_INVALID_METADATA"),
    # 10, 11: count, attributes
    "no resource": Row(body=encoded(resources=[]), reason=COUNT, named="resources"),
    "1001 resources": Row(body=several(*(f"r{n}" for n in range(1001))), reason=COUNT),
    "attributes is a list": Row(
        body=encoded(attributes=[]), reason="VALIDATION_INVALID_ATTRIBUTES", named="attributes"
    ),
    # 12: resources
    "empty id": Row(body=one(id=""), reason=RESOURCE_ID),
    "long id": Row(body=one(id="x" * 129), reason=RESOURCE_ID, named="resources[0].id"),
    "id with ..": Row(body=one(id="../../etc/passwd"), reason=RESOURCE_ID),
    "id with .. inside": Row(body=one(id="a/../b"), reason=RESOURCE_ID),
    "id is .": Row(body=one(id="."), reason=RESOURCE_ID),
    "id starts with /": Row(body=one(id="/a"), reason=RESOURCE_ID),
    "id with a newline": Row(body=one(id="a\nb"), reason=RESOURCE_ID),
    "id with NUL": Row(body=one(id="a\0b"), reason=RESOURCE_ID),
    "repeated id": Row(
        body=several("a", "b", "a"),
        reason="VALIDATION_DUPLICATE_RESOURCE_ID",
        named="resources[2].id",
    ),
    "relative URL": Row(body=one(url="/a"), reason=BAD_URL, named="resources[0].url"),
    "ftp URL": Row(body=one(url="ftp://host/a"), reason=BAD_URL),
    "file URL": Row(body=one(url="file:///etc/passwd"), reason=BAD_URL),
    "URL without host": Row(body=one(url="http:///a"), reason=BAD_URL),
    "URL with a blank": Row(body=one(url="http://host/a b"), reason=BAD_URL),
    "11 headers": Row(body=one(headers={f"h{n}": "v" for n in range(11)}), reason=HEADER),
    "long header": Row(body=one(headers={"h": "v" * 1025}), reason=HEADER),
    "long header in UTF-8": Row(body=one(headers={"h": "ü" * 513}), reason=HEADER),
    "header with CR LF": Row(body=one(headers={"h": "a\r\nX-Evil: 1"}), reason=HEADER),
    "header with LF": Row(body=one(headers={"h": "a\nb"}), reason=HEADER),
    "header with NUL": Row(body=one(headers={"h": "a\0b"}), reason=HEADER),
    "header name with a blank": Row(body=one(headers={"a b": "v"}), reason=HEADER),
    "11 tags": Row(body=one(tags={f"t{n}": "v" for n in range(11)}), reason=TAG),
    "long tag": Row(body=one(tags={"t": "v" * 1025}), reason=TAG),
    # headers of the request
    "long idempotency key": Row(headers={"X-Fetchbox-Idempotency-Key": "k" * 256}, reason=FIELD),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_wrong_request_is_refused(context: TestContext, row: Row) -> None:
    answer = context.post(row.body, headers=row.headers)

    assert answer.status_code == 400, answer.text[:300]
    error = answer.json()["error"]
    assert error["code"] == "INVALID_PAYLOAD"
    assert error["details"]["reason"] == row.reason, error
    assert error["message"]
    assert "job_id" not in error
    if row.named is not None:
        assert error["details"]["field"] == row.named


def test_a_job_type_that_is_not_configured_is_refused(context: TestContext) -> None:
    answer = context.post(encoded(), job_type="nobody-knows-this")

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "UNSUPPORTED_JOB_TYPE"


WRONG_EVERYTHING = encoded(manifest_version="v2", metadata=[], resources=[], attributes=[])


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b"{", typed("text/plain") | {"X-Fetchbox-Job-Type": None}, CONTENT_TYPE),
        (b"{", packed("br") | {"X-Fetchbox-Job-Type": None}, MISSING),
        (b"{", packed("br"), ENCODING),
        (WRONG_EVERYTHING, {}, "VALIDATION_UNSUPPORTED_VERSION"),
        (encoded(metadata=[], resources=[], attributes=[]), {}, "VALIDATION_INVALID_METADATA"),
        (encoded(resources=[], attributes=[]), {}, COUNT),
        (one(id="", url="ftp://x", headers={"h": "\n"}), {}, RESOURCE_ID),
        (one(url="ftp://x", headers={"h": "\n"}), {}, BAD_URL),
    ],
    ids=[
        "content type before job type",
        "job type before encoding",
        "encoding before JSON",
        "version before metadata",
        "metadata before count",
        "count before attributes",
        "id before URL",
        "URL before headers",
    ],
)
def test_the_first_failing_check_wins(
    context: TestContext, body: bytes, headers: Mapping[str, str | None], reason: str
) -> None:
    answer = context.post(body, headers=headers)
    assert answer.json()["error"]["details"]["reason"] == reason


def test_the_limits_themselves_are_allowed(context: TestContext) -> None:
    """One less than refused: 10 headers, 10 tags, 1024 bytes, 128 characters."""
    entry = resource(
        "x" * 128,
        context.serve("a"),
        headers={f"h{n}": "v" * 1024 for n in range(10)},
        tags={f"t{n}": "ü" * 512 for n in range(10)},
    )
    job = context.submit_manifest(manifest(entry))
    context.wait_for_job(job.job_id)


def test_unknown_fields_are_ignored(context: TestContext) -> None:
    entry = resource("a", context.serve("a"), unknown=[1], name="b")
    job = context.submit_manifest(manifest(entry, storage={"bucket": "x"}))
    context.wait_for_job(job.job_id)


# What is too large is a 413.


def assert_too_large(status: int, body: bytes) -> None:
    assert status == 413, body[:300]
    error = json.loads(body)["error"]
    assert error["code"] == "PAYLOAD_TOO_LARGE"
    assert error["details"]["limit"] == LIMIT
    assert error["details"]["actual"] > LIMIT


def padded(size: int) -> bytes:
    body = encoded()
    return body + b" " * (size - len(body))


def test_a_body_one_byte_over_the_limit_is_refused(context: TestContext) -> None:
    answer = context.post(padded(LIMIT + 1))
    assert_too_large(answer.status_code, answer.content)


def test_a_body_of_exactly_the_limit_is_read(context: TestContext) -> None:
    """It is refused for what is in it, not for its size."""
    answer = context.post(encoded(manifest_version="v2").ljust(LIMIT))
    assert answer.json()["error"]["details"]["reason"] == "VALIDATION_UNSUPPORTED_VERSION"


def test_a_body_that_is_too_large_when_expanded_is_refused(context: TestContext) -> None:
    answer = context.post(gzip.compress(padded(LIMIT + 1)), headers=packed("gzip"))
    assert_too_large(answer.status_code, answer.content)


GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


def packed_zeros() -> bytes:
    """Return a MiB of zeros as a part of a gzip stream that may be repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(b"\0" * MIB) + packer.flush(zlib.Z_FULL_FLUSH)


def api_rss(context: TestContext) -> float:
    return context.stack.apis.value("process_resident_memory_bytes")


def test_a_gzip_bomb_is_refused_while_it_is_expanded(context: TestContext) -> None:
    """4 GiB in 4 MiB; the API's memory must not follow."""
    bomb = GZIP_HEADER + packed_zeros() * 4096
    assert len(bomb) < LIMIT, "a wire limit would refuse it"
    context.post(encoded(metadata=...))
    before = api_rss(context)
    answer = context.post(bomb, headers=packed("gzip"))

    assert_too_large(answer.status_code, answer.content)
    assert answer.elapsed.total_seconds() < 3
    assert api_rss(context) - before < 48 * MIB


def send(context: TestContext, headers: Mapping[str, str], pieces: Iterable[bytes]) -> Sent:
    full = {"Content-Type": "application/json", "X-Fetchbox-Job-Type": "it", **headers}
    return send_pieces(f"{context.api_addr}/jobs", full, pieces)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_hundred_megabytes_without_a_length_are_refused_early(
    context: TestContext, encoding: str
) -> None:
    start, piece = {
        "identity": (encoded()[:-1], b" " * MIB),
        "gzip": (GZIP_HEADER, packed_zeros() * 1024),
    }[encoding]
    before = api_rss(context)
    pieces = chain([start], repeat(piece, 100 * MIB // len(piece)))
    sent = send(context, {"Content-Encoding": encoding}, pieces)

    assert_too_large(sent.status, sent.body)
    assert sent.sent_bytes < 60 * MIB, "it was read to the end"
    assert api_rss(context) - before < 48 * MIB


def test_an_announced_hundred_megabytes_are_refused_unread(context: TestContext) -> None:
    sent = send(context, {"Content-Length": str(100 * MIB)}, [b" " * 1000])
    assert_too_large(sent.status, sent.body)


# Other routes and verbs.


@pytest.mark.parametrize(
    ("verb", "path", "status", "code"),
    [
        ("GET", "/jobs", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/operators/jobs", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("GET", "/operators/jobs/not-a-job", 404, "NOT_FOUND"),
        ("GET", "/operators/jobs/not-a-job/logs", 404, "NOT_FOUND"),
        ("GET", "/operators/jobs/..%2f..%2fetc", 404, "NOT_FOUND"),
    ],
)
def test_what_does_not_exist_is_refused(
    context: TestContext, verb: str, path: str, status: int, code: str
) -> None:
    answer = context.stack.http.request(
        verb, context.api_addr + path, headers=context.operator_headers(), timeout=5
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("given", ["my-request-7", None])
def test_every_answer_has_a_request_id(context: TestContext, given: str | None) -> None:
    answer = context.post(b"", headers={"X-Request-Id": given})
    shown = answer.headers["X-Request-Id"]
    assert shown == given if given else len(shown) >= 16
