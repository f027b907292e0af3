"""The sample handler: sorts a gallery into images, style sheets and the rest.

Shows what a handler may decide: headers, bucket, key prefix and proxies of each task.
"""

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from fetchbox.handlers.default import DefaultManifestHandler, draft_of, proxy_hint_of
from fetchbox.handlers.port import (
    HandlerConfig,
    ManifestContext,
    PreparedManifest,
    TaskDraft,
    TaskEmitter,
)
from fetchbox.model.manifest import Resource
from fetchbox.model.task import ProxyHint, StorageHint

BUCKET: Final = "fetchbox-gallery"
PREFIX: Final = "gallery"
#: Pools in order of preference; the first must be configured for any of them to be used.
POOLS: Final = ("eu-primary", "global", "emergency")

_IMAGES: Final = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".svg", ".avif"})
_FOLDERS: Final = ("images", "css", "other")


class GalleryHandler(DefaultManifestHandler):
    """Bucket `fetchbox-gallery`, keys `gallery/{images|css|other}/{job_id}/{resource_id}`."""

    async def build_tasks(
        self, prepared: PreparedManifest, emit: TaskEmitter
    ) -> Sequence[TaskDraft] | None:
        """Emit one task per resource, with a Referer and the hints of its folder."""
        context = prepared.context
        hints = _storage_hints(context.config, context.job_id)
        proxy = _proxy_hint(context)
        referer = None if _has_referer(context.config.default_headers) else _wanted_referer(context)
        for resource in context.resources:
            shown = resource if referer is None else _with_referer(resource, referer)
            await emit(draft_of(shown, hints[folder_of(resource)], proxy))
        return None


def folder_of(resource: Resource) -> str:
    """Sort a resource by its content type or the extension of its URL."""
    mime = resource.tags.get("content_type", "").partition(";")[0].strip().lower()
    extension = posixpath.splitext(urlsplit(resource.url).path)[1].lower()
    if mime.startswith("image/") or extension in _IMAGES:
        return "images"
    return "css" if mime == "text/css" or extension == ".css" else "other"


def _storage_hints(config: HandlerConfig, job_id: str) -> Mapping[str, StorageHint]:
    bucket = config.storage_bucket or BUCKET
    root = (config.key_prefix or PREFIX).rstrip("/")
    return {
        folder: StorageHint(bucket=bucket, key_prefix=f"{root}/{folder}/{job_id}")
        for folder in _FOLDERS
    }


def _proxy_hint(context: ManifestContext) -> ProxyHint | None:
    preferred, *fallbacks = POOLS
    if preferred not in context.pools:
        return proxy_hint_of(context.config)
    known = tuple(pool for pool in fallbacks if pool in context.pools)
    return ProxyHint(primary_pool=preferred, fallbacks=known)


def _wanted_referer(context: ManifestContext) -> str:
    """Return `attributes.referer`; empty stands for the origin of each URL."""
    referer: Any = context.attributes.get("referer")
    return referer if isinstance(referer, str) and referer.isprintable() else ""


def _with_referer(resource: Resource, referer: str) -> Resource:
    if _has_referer(resource.headers):
        return resource
    headers = {"Referer": referer or _origin_of(resource.url), **resource.headers}
    return Resource(id=resource.id, url=resource.url, headers=headers, tags=resource.tags)


def _has_referer(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "referer" for name in headers)


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"
