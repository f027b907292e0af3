"""Identifiers that cross process borders: trace ids, tenants, resource ids."""

import re
from typing import Final

DEFAULT_TENANT: Final = "default"

#: Version 00 ends after the flags; a later one may say more.
_TRACEPARENT: Final = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?"
)
#: Almost every real resource id; anything else takes the careful way, which accepts these too.
_PLAIN: Final = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)*", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the 32-hex trace id of a W3C `traceparent`, or None when it is absent or invalid."""
    match = _TRACEPARENT.fullmatch(traceparent.strip()) if traceparent else None
    if match is None or set(match[1]) == {"0"} or set(match[2]) == {"0"}:
        return None
    return match[1]


def resolve_tenant(header: str | None, attributes: object) -> str:
    """Pick the tenant: the header, else `attributes.tenant` if non-empty text, else `default`."""
    if header:
        return header
    tenant = attributes.get("tenant") if isinstance(attributes, dict) else None
    return tenant if isinstance(tenant, str) and tenant else DEFAULT_TENANT


def id_fault(resource_id: str, max_length: int) -> str | None:
    """Say what is wrong with a resource id (it becomes part of an object key), or None."""
    if not 1 <= len(resource_id) <= max_length:
        return f"must have 1 to {max_length} characters"
    if _PLAIN.fullmatch(resource_id):
        return None
    if _CONTROL.search(resource_id):
        return "must not contain control characters"
    if resource_id.startswith("/"):
        return "must not start with '/'"
    if any(segment in {"", ".", ".."} for segment in resource_id.split("/")):
        return "must not contain an empty, '.' or '..' path segment; storage has no such keys"
    return None
