"""The manifest a client submits, and the checks that refuse a bad one (contract 1.3-1.5).

Works on the decoded JSON value; decoding bytes is intake's business. First failing check wins.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fetchbox.model.failure import FailureCode, FetchBoxError, fail
from fetchbox.model.ids import id_fault
from fetchbox.model.url_check import url_fault

MANIFEST_VERSION: Final = "v1"

#: Room for a client's own text in an error.
_SHOWN: Final = 64
#: Bytes of the largest character.
_UTF8_MAX: Final = 4
_FIELDS: Final = ("manifest_version", "metadata", "resources")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LINE_BREAK: Final = re.compile(r"[\x00\r\n]")
_INVALID: Final = FailureCode.VALIDATION_INVALID_FIELD
_LIMIT_CODES: Final = {
    "headers": FailureCode.VALIDATION_HEADER_LIMIT,
    "tags": FailureCode.VALIDATION_TAG_LIMIT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestLimits:
    """Upper bounds per manifest; sizes in UTF-8 bytes."""

    max_resources: int = 1000
    max_id_length: int = 128
    max_headers: int = 10
    max_header_value_bytes: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One URL to fetch. `headers` and `tags` are as the client sent them."""

    id: str
    url: str
    headers: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest that passed every check."""

    manifest_version: str
    metadata: Mapping[str, Any]
    resources: tuple[Resource, ...]
    attributes: Mapping[str, Any]


def parse_manifest(document: object, limits: ManifestLimits) -> Manifest:
    """Turn a decoded JSON value into a Manifest; raises FetchBoxError VALIDATION_*."""
    fields = _require_fields(document)
    resources = tuple(_shape_resource(n, entry) for n, entry in enumerate(fields["resources"]))
    _check_version(fields["manifest_version"])
    if not isinstance(fields["metadata"], dict):
        raise _wrong_type(FailureCode.VALIDATION_INVALID_METADATA, "metadata", "an object")
    _check_count(len(resources), limits)
    attributes = fields.get("attributes", {})
    if not isinstance(attributes, dict):
        raise _wrong_type(
            FailureCode.VALIDATION_INVALID_ATTRIBUTES, "attributes", "an object, or be left out"
        )
    _check_resources(resources, limits)
    return Manifest(
        manifest_version=fields["manifest_version"],
        metadata=fields["metadata"],
        resources=resources,
        attributes=attributes,
    )


# Row 6 and 7: the shape of everything, before any rule.


def _require_fields(document: object) -> Mapping[str, Any]:
    if not isinstance(document, dict):
        msg = "the body must be a JSON object; wrap the manifest in {...}"
        raise fail(FailureCode.VALIDATION_INVALID_JSON, msg)
    for name in _FIELDS:
        if name not in document:
            raise _missing(name)
    if not isinstance(document["manifest_version"], str):
        raise _wrong_type(_INVALID, "manifest_version", "a string")
    if not isinstance(document["resources"], list):
        raise _wrong_type(_INVALID, "resources", "an array")
    return document


def _shape_resource(index: int, entry: object) -> Resource:
    if not isinstance(entry, dict):
        raise _wrong_type(_INVALID, f"resources[{index}]", "an object")
    identity, url = entry.get("id"), entry.get("url")
    if not isinstance(identity, str) or not isinstance(url, str):
        raise _bad_resource_field(index, entry)
    return Resource(
        id=identity,
        url=url,
        headers=_shape_texts(index, "headers", entry["headers"]) if "headers" in entry else {},
        tags=_shape_texts(index, "tags", entry["tags"]) if "tags" in entry else {},
    )


def _bad_resource_field(index: int, entry: Mapping[str, object]) -> FetchBoxError:
    for name in ("id", "url"):
        if name not in entry:
            return _missing(f"resources[{index}].{name}")
    name = "url" if isinstance(entry["id"], str) else "id"
    return _wrong_type(_INVALID, f"resources[{index}].{name}", "a string")


def _shape_texts(index: int, part: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _wrong_type(_INVALID, f"resources[{index}].{part}", "an object, or be left out")
    for name, text in value.items():
        if not isinstance(text, str):
            raise _wrong_type(_INVALID, f"resources[{index}].{part}.{name[:_SHOWN]}", "a string")
    return value


# Rows 8 to 11: the manifest as a whole.


def _check_version(version: str) -> None:
    if version != MANIFEST_VERSION:
        raise fail(
            FailureCode.VALIDATION_UNSUPPORTED_VERSION,
            f"manifest_version must be {MANIFEST_VERSION!r}",
            field="manifest_version",
            actual=version[:_SHOWN],
        )


def _check_count(count: int, limits: ManifestLimits) -> None:
    if 1 <= count <= limits.max_resources:
        return
    remedy = "split the manifest" if count else "list at least one"
    raise fail(
        FailureCode.VALIDATION_RESOURCE_COUNT,
        f"resources must have 1 to {limits.max_resources} entries, not {count}; {remedy}",
        field="resources",
        limit=limits.max_resources,
        actual=count,
    )


# Row 12: the rules of each resource, in order.


def _check_resources(resources: Sequence[Resource], limits: ManifestLimits) -> None:
    seen: dict[str, int] = {}
    for index, resource in enumerate(resources):
        if fault := id_fault(resource.id, limits.max_id_length):
            raise _bad_id(index, resource.id, fault, limits)
        if (first := seen.setdefault(resource.id, index)) != index:
            fault = f"is the same as that of resources[{first}]; ids must be unique"
            raise _refusal(
                FailureCode.VALIDATION_DUPLICATE_RESOURCE_ID, index, resource, "id", fault
            )
        if fault := url_fault(resource.url):
            raise _refusal(FailureCode.VALIDATION_INVALID_URL, index, resource, "url", fault)
        if resource.headers:
            _check_headers(index, resource, limits)
        if resource.tags:
            _check_sizes(index, resource, "tags", limits)


def _bad_id(index: int, identity: str, fault: str, limits: ManifestLimits) -> FetchBoxError:
    is_size = not 1 <= len(identity) <= limits.max_id_length
    return fail(
        FailureCode.VALIDATION_RESOURCE_ID,
        f"resources[{index}].id {fault}",
        field=f"resources[{index}].id",
        limit=limits.max_id_length if is_size else None,
        actual=len(identity) if is_size else None,
    )


def _check_headers(index: int, resource: Resource, limits: ManifestLimits) -> None:
    _check_sizes(index, resource, "headers", limits)
    for name, text in resource.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            fault = "is not a valid header name; use letters, digits and '-'"
        elif not text.isprintable() and _LINE_BREAK.search(text):
            fault = "must not contain NUL, CR or LF"
        else:
            continue
        part = f"headers.{name[:_SHOWN]}"
        raise _refusal(FailureCode.VALIDATION_HEADER_LIMIT, index, resource, part, fault)


def _check_sizes(index: int, resource: Resource, part: str, limits: ManifestLimits) -> None:
    texts = resource.headers if part == "headers" else resource.tags
    code, most = _LIMIT_CODES[part], limits.max_headers
    if len(texts) > most:
        fault = f"must have at most {most} entries"
        raise _refusal(code, index, resource, part, fault, limit=most, actual=len(texts))
    most = limits.max_header_value_bytes
    for name, text in texts.items():
        if len(text) * _UTF8_MAX > most and (size := _size_bytes(text)) > most:
            fault = f"must have at most {most} bytes of UTF-8; shorten it"
            part = f"{part}.{name[:_SHOWN]}"
            raise _refusal(code, index, resource, part, fault, limit=most, actual=size)


def _size_bytes(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


# Errors: where, what, and what to do.


def _missing(field: str) -> FetchBoxError:
    return fail(FailureCode.VALIDATION_MISSING_FIELD, f"{field} is missing; add it", field=field)


def _wrong_type(code: FailureCode, field: str, wanted: str) -> FetchBoxError:
    return fail(code, f"{field} must be {wanted}", field=field)


def _refusal(
    code: FailureCode, index: int, resource: Resource, part: str, fault: str, **facts: int
) -> FetchBoxError:
    field = f"resources[{index}].{part}"
    return fail(code, f"{field} {fault}", field=field, resource_id=resource.id, **facts)
