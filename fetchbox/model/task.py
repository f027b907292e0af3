"""A download task: one resource of one job, as workers receive it (contract 4.6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyHint:
    """Which proxy pools to use, in order; names may carry a `pools/` or `proxies/` prefix."""

    primary_pool: str = ""
    fallbacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageHint:
    """Where to store: an empty `bucket` means the default one; `key` wins over `key_prefix`."""

    bucket: str = ""
    key_prefix: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadTask:
    """One resource to fetch.

    Attributes:
        headers: merged request headers, names lower-case.
        checksum_hint: `sha256:<64 hex>` is verified; anything else is only recorded.
        extra: UTF-8 JSON of per-task attributes, or the raw bytes of an undecodable task.
        attempt: 1 at ingest, +1 on each replay. A worker's own tries are not counted here.
        trace_id: 32 lower-case hex digits.

    """

    job_id: str
    job_type: str
    resource_id: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    proxy_hint: ProxyHint | None = None
    storage_hint: StorageHint | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    checksum_hint: str = ""
    mime_hint: str = ""
    extra: bytes = b""
    manifest_key: str = ""
    attempt: int = 1
    tenant: str = ""
    trace_id: str = ""
