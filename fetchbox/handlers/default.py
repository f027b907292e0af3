"""The handler of every job type that names none: one task per resource, as the manifest says.

Adds nothing of its own but the storage and proxy hints of the job type's section.
"""

from collections.abc import Sequence

from fetchbox.handlers.port import (
    HandlerConfig,
    HandlerError,
    JobSummary,
    ManifestContext,
    PreparedManifest,
    TaskDraft,
    TaskEmitter,
)
from fetchbox.model.failure import FailureCode
from fetchbox.model.manifest import MANIFEST_VERSION, Resource
from fetchbox.model.proxies import pool_name
from fetchbox.model.task import ProxyHint, StorageHint


class DefaultManifestHandler:
    """Returns the resources unchanged and makes one task of each."""

    async def prepare_manifest(self, context: ManifestContext) -> PreparedManifest:
        """Check the version, so that the handler is safe without intake in front of it."""
        if context.manifest_version != MANIFEST_VERSION:
            msg = f"this handler reads manifest_version {MANIFEST_VERSION} only"
            raise HandlerError(FailureCode.HANDLER_INVALID_MANIFEST, msg)
        return PreparedManifest(context=context)

    async def build_tasks(
        self, prepared: PreparedManifest, emit: TaskEmitter
    ) -> Sequence[TaskDraft] | None:
        """Return all drafts at once; `emit` is for handlers that cannot hold theirs."""
        del emit
        context = prepared.context
        storage = storage_hint_of(context.config, context.job_id)
        proxy = proxy_hint_of(context.config)
        return [draft_of(resource, storage, proxy) for resource in context.resources]

    async def finalize_job(self, summary: JobSummary) -> None:
        """Do nothing."""


def draft_of(
    resource: Resource, storage_hint: StorageHint | None, proxy_hint: ProxyHint | None
) -> TaskDraft:
    """Make a task of a resource as it stands."""
    return TaskDraft(
        resource_id=resource.id,
        url=resource.url,
        http_headers=tuple(resource.headers.items()),
        storage_hint=storage_hint,
        proxy_hint=proxy_hint,
        tags=resource.tags,
    )


def storage_hint_of(config: HandlerConfig, job_id: str) -> StorageHint | None:
    """Turn `storage_bucket` and `key_prefix` of a section into a hint: prefix, slash, job id."""
    if not config.storage_bucket and not config.key_prefix:
        return None
    prefix = f"{config.key_prefix.rstrip('/')}/{job_id}" if config.key_prefix else ""
    return StorageHint(bucket=config.storage_bucket or "", key_prefix=prefix)


def proxy_hint_of(config: HandlerConfig) -> ProxyHint | None:
    """Turn `proxy_pool` of a section into a hint; its fallbacks are the pool's own."""
    return ProxyHint(primary_pool=pool_name(config.proxy_pool)) if config.proxy_pool else None
