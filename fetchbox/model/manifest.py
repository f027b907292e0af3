"""The manifest a client submits, and the checks that refuse a bad one (contract 1.3-1.5).

Works on the decoded JSON value; decoding bytes is intake's business. First failing check wins.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MANIFEST_VERSION: Final = "v1"


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
