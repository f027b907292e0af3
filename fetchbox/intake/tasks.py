"""A manifest to encoded tasks, by the handler of its job type (contract 1.6 step 8).

A handler is foreign code: whatever it raises or returns ends as a HANDLER_* failure.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from fetchbox.handlers.port import HandlerConfig, JobHandler, ManifestContext, TaskDraft
from fetchbox.handlers.registry import Registered
from fetchbox.ledger.port import NewJob
from fetchbox.model.failure import FailureCode, FetchBoxError, fail
from fetchbox.model.ids import id_fault
from fetchbox.model.manifest import Manifest
from fetchbox.model.task import DownloadTask
from fetchbox.wire.codec import TaskPart, encode_tasks

logger = logging.getLogger(__name__)

MAX_ID_LENGTH: Final = 128


async def build_tasks(
    registered: Registered, job: NewJob, manifest: Manifest, pools: frozenset[str]
) -> list[bytes]:
    """Return the payloads for jobs.tasks, at least one; raises FetchBoxError HANDLER_*."""
    context = ManifestContext(
        job_id=job.job_id,
        job_type=job.job_type,
        manifest_version=manifest.manifest_version,
        metadata=manifest.metadata,
        resources=manifest.resources,
        attributes=manifest.attributes,
        config=registered.config,
        pools=pools,
    )
    drafts = await _draft(registered.handler, context)
    if not drafts:
        msg = f"the handler of job type {job.job_type!r} made no task; it must make one or refuse"
        raise fail(FailureCode.HANDLER_TASK_GENERATION, msg)
    with _as_failure(FailureCode.HANDLER_TASK_GENERATION, job.job_type):
        return _encode(drafts, job, registered.config)


async def _draft(handler: JobHandler, context: ManifestContext) -> Sequence[TaskDraft]:
    drafts: list[TaskDraft] = []

    async def emit(draft: TaskDraft) -> None:
        drafts.append(draft)

    with _as_failure(FailureCode.HANDLER_FATAL, context.job_type):
        prepared = await handler.prepare_manifest(context)
    with _as_failure(FailureCode.HANDLER_TASK_GENERATION, context.job_type):
        drafts.extend(await handler.build_tasks(prepared, emit) or ())
    return drafts


def _encode(drafts: Sequence[TaskDraft], job: NewJob, config: HandlerConfig) -> list[bytes]:
    defaults = {name.lower(): value for name, value in config.default_headers.items()}
    _check_ids(drafts)
    return encode_tasks(_shared_of(job), (_part_of(draft, defaults) for draft in drafts))


def _shared_of(job: NewJob) -> DownloadTask:
    return DownloadTask(
        job_id=job.job_id,
        job_type=job.job_type,
        resource_id="",
        url="",
        manifest_key=job.manifest_key,
        tenant=job.tenant,
        trace_id=job.trace_id,
    )


def _check_ids(drafts: Sequence[TaskDraft]) -> None:
    """Outcomes are keyed by resource id and objects named after it: refuse what would clash."""
    seen: set[str] = set()
    for draft in drafts:
        fault = id_fault(draft.resource_id, MAX_ID_LENGTH)
        if fault is None and draft.resource_id in seen:
            fault = "is used twice; ids must be unique within a job"
        if fault is not None:
            msg = f"the handler made a task whose resource_id {fault}"
            raise fail(
                FailureCode.HANDLER_TASK_GENERATION,
                msg,
                resource_id=draft.resource_id[:MAX_ID_LENGTH],
            )
        seen.add(draft.resource_id)


def _part_of(draft: TaskDraft, defaults: Mapping[str, str]) -> TaskPart:
    headers, tags, attributes = defaults, draft.tags, draft.attributes
    if draft.http_headers:
        headers = {**defaults, **{name.lower(): value for name, value in draft.http_headers}}
    return TaskPart(
        resource_id=draft.resource_id,
        url=draft.url,
        headers=tuple(headers.items()),
        proxy_hint=draft.proxy_hint,
        storage_hint=draft.storage_hint,
        tags=tags,
        checksum_hint=tags.get("checksum_hint", ""),
        mime_hint=_mime_hint(tags),
        extra=msgspec.json.encode(attributes) if attributes else b"",
    )


def _mime_hint(tags: Mapping[str, str]) -> str:
    """Return `content_type` unless it could not be sent as a header to storage."""
    mime = tags.get("content_type", "")
    return mime if mime.isascii() and mime.isprintable() else ""


@contextmanager
def _as_failure(code: FailureCode, job_type: str) -> Iterator[None]:
    """Let HANDLER_* failures pass; anything else becomes one, its cause kept for the log only."""
    try:
        yield
    except Exception as error:
        if isinstance(error, FetchBoxError) and error.failure.code.startswith("HANDLER_"):
            raise
        logger.exception("handler failed", extra={"job_type": job_type, "code": code})
        name = type(error).__name__
        msg = f"the handler of job type {job_type!r} raised {name}; the log has the cause"
        raise fail(code, msg) from error
