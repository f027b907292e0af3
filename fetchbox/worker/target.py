"""Where a task's object goes and how its request looks: bucket, key, type, headers, proxies.

Pure decisions over the task and the configuration of its job type (contract 5.2, 5.6, 5.8).
"""

import logging
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fetchbox.fetch.rotation import Rotation
from fetchbox.handlers.port import HandlerConfig
from fetchbox.model.failure import Failure, FailureCode, failure
from fetchbox.model.keys import resource_key
from fetchbox.model.proxies import (
    Endpoint,
    ProxyPool,
    Tier,
    UnknownPoolError,
    pool_name,
    resolve_tiers,
)
from fetchbox.model.task import DownloadTask
from fetchbox.model.urls import mask_url
from fetchbox.storage.port import UploadOptions

_log = logging.getLogger(__name__)

OCTET_STREAM: Final = "application/octet-stream"
_FULL_SHA256: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One task, resolved: everything the downloader needs to know."""

    task: DownloadTask
    headers: tuple[tuple[str, str], ...]
    endpoints: tuple[Endpoint, ...]
    bucket: str
    key: str
    expected_sha256: str | None


def task_fault(task: DownloadTask) -> Failure | None:
    """Say why a task can never succeed, or None."""
    for name in ("job_id", "resource_id", "url"):
        if not getattr(task, name):
            return failure(
                FailureCode.VALIDATION_MISSING_FIELD, f"the task has no {name}", field=name
            )
    if not task.url.lower().startswith(("http://", "https://")):
        text = "only http and https URLs are fetched"
        return failure(FailureCode.DOWNLOAD_INVALID_URL, text, url=mask_url(task.url))
    return None


class Router:
    """Resolves tasks to errands by the configuration of their job type."""

    def __init__(
        self,
        *,
        handlers: Mapping[str, HandlerConfig],
        pools: Mapping[str, ProxyPool],
        rotation: Rotation,
        bucket: str,
        default_prefix: str,
    ) -> None:
        """`bucket` and `default_prefix` serve job types that name none."""
        self._handlers = handlers
        self._pools = pools
        self._rotation = rotation
        self._bucket = bucket
        self._prefix = default_prefix
        self._chains: dict[tuple[str, ...], tuple[Tier, ...]] = {}
        self._unknown: set[str] = set()

    def config(self, job_type: str) -> HandlerConfig:
        """Return the section of a job type; an unknown one gets an empty section."""
        return self._handlers.get(job_type) or HandlerConfig()

    def route(self, task: DownloadTask) -> Errand:
        """Resolve a task."""
        config = self.config(task.job_type)
        hint = task.storage_hint
        match = _FULL_SHA256.fullmatch(task.checksum_hint)
        return Errand(
            task=task,
            headers=_merged(config.default_headers, task.headers),
            endpoints=self._endpoints(task, config),
            bucket=(hint.bucket if hint else "") or config.storage_bucket or self._bucket,
            key=resource_key(
                job_type=task.job_type,
                job_id=task.job_id,
                resource_id=task.resource_id,
                hint=hint,
                default_prefix=self._prefix,
            ),
            expected_sha256=match[1].lower() if match else None,
        )

    def _endpoints(self, task: DownloadTask, config: HandlerConfig) -> tuple[Endpoint, ...]:
        hint = task.proxy_hint
        wanted = (hint.primary_pool, *hint.fallbacks) if hint else ()
        tiers = self._chain(wanted) or self._chain((config.proxy_pool or "",))
        return self._rotation.arrange(tiers)

    def _chain(self, references: tuple[str, ...]) -> tuple[Tier, ...]:
        """Resolve once per distinct chain; unknown pools are skipped with one warning each."""
        if not any(references):
            return ()
        chain = self._chains.get(references)
        if chain is None:
            known = [name for name in map(pool_name, references) if self._is_known(name)]
            try:
                chain = resolve_tiers(self._pools, known)
            except UnknownPoolError:  # a fallback of a fallback: settings refuse it at start
                chain = ()
            if len(self._chains) < 1000:  # noqa: PLR2004  # hints are free text: bound the cache
                self._chains[references] = chain
        return chain

    def _is_known(self, name: str) -> bool:
        if name in self._pools:
            return True
        if name and name not in self._unknown and len(self._unknown) < 1000:  # noqa: PLR2004  # same
            self._unknown.add(name)
            _log.warning("unknown proxy pool skipped", extra={"pool": name})
        return False


def _merged(
    defaults: Mapping[str, str], own: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    if not defaults:
        return own
    merged = {name.lower(): value for name, value in defaults.items()}
    merged.update(own)
    return tuple(merged.items())


def upload_options(
    errand: Errand, *, content_type: str, content_encoding: str, sha256: str | None
) -> UploadOptions:
    """Describe the object; `content_type` is what the origin said, the last but two in order.

    What storage could not take as a header is left out: the origin and the manifest may say
    anything.
    """
    hint, task = errand.task.storage_hint, errand.task
    metadata = dict(hint.metadata) if hint else {}
    hinted = metadata.pop("content-type", "")
    if sha256 is not None:
        metadata["sha256"] = sha256
    if _is_header(task.checksum_hint):
        metadata["checksum-hint"] = task.checksum_hint
    types = filter(_is_header, (hinted, task.mime_hint, content_type))
    return UploadOptions(
        bucket=errand.bucket,
        key=errand.key,
        content_type=next(types, "") or _guessed(task),
        content_encoding=content_encoding if _is_header(content_encoding) else "",
        metadata=metadata,
    )


def _is_header(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()


def _guessed(task: DownloadTask) -> str:
    path = task.url.partition("?")[0].partition("#")[0]
    return (
        mimetypes.guess_type(path)[0] or mimetypes.guess_type(task.resource_id)[0] or OCTET_STREAM
    )
