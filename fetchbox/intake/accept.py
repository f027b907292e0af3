"""Take a submission over: validate, store, record, queue (contract 1.6 steps 3 to 10, 1.9).

Knows nothing of HTTP. Each step leaves behind what the contract says when it fails.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from uuid_utils import uuid7

from fetchbox.broker.port import Broker
from fetchbox.handlers.registry import HandlerRegistry, Registered
from fetchbox.intake.decode import decode_manifest
from fetchbox.intake.locks import KeyedLocks
from fetchbox.intake.manifest_store import ManifestStore
from fetchbox.intake.queueing import JobQueue
from fetchbox.intake.tasks import build_tasks
from fetchbox.ledger.port import IdempotencyKey, Ledger, NewJob
from fetchbox.model.clock import Clock
from fetchbox.model.failure import Failure, FailureCode, FetchBoxError, fail, failure
from fetchbox.model.ids import resolve_tenant
from fetchbox.model.job import JobState, LastError
from fetchbox.model.keys import manifest_object_key, manifest_uri
from fetchbox.model.manifest import Manifest, ManifestLimits
from fetchbox.model.retry import RetryPolicy
from fetchbox.storage.port import Storage

logger = logging.getLogger(__name__)

MAX_TENANT_LENGTH: Final = 255

_INTERRUPTED: Final = failure(
    FailureCode.SYSTEM_INTERNAL, "taking the job over was interrupted; submit it again"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A request as its headers and bytes say; `tenant` is the header's value."""

    job_type: str
    tenant: str | None
    idempotency_key: str | None
    trace_id: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The answer: a new job, or the one that an earlier submission of the same key made."""

    job_id: str
    manifest_key: str
    resource_count: int
    tenant: str
    is_repeat: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakePolicy:
    """Settings of intake; `pools` are the names of the configured proxy pools."""

    bucket: str
    default_prefix: str
    limits: ManifestLimits
    retry: RetryPolicy
    idempotency_ttl_ms: int
    pools: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """A submission that passed validation."""

    submission: Submission
    manifest: Manifest
    tenant: str
    sha256: str

    @property
    def idempotency(self) -> IdempotencyKey | None:
        """The scope within which this request is made once."""
        key = self.submission.idempotency_key
        if not key:
            return None
        return IdempotencyKey(tenant=self.tenant, job_type=self.submission.job_type, key=key)


class Intake:
    """The use case behind POST /jobs. Safe to use from many tasks at once."""

    def __init__(
        self,
        *,
        broker: Broker,
        storage: Storage,
        ledger: Ledger,
        handlers: HandlerRegistry,
        policy: IntakePolicy,
        clock: Clock,
    ) -> None:
        """Take the ports over which jobs are made."""
        self._manifests = ManifestStore(storage=storage, bucket=policy.bucket, retry=policy.retry)
        self._queue = JobQueue(broker=broker, retry=policy.retry)
        self._ledger = ledger
        self._handlers = handlers
        self._policy = policy
        self._clock = clock
        self._locks = KeyedLocks()

    async def accept(self, submission: Submission) -> Receipt:
        """Make a job, durably, or find the one made before; raises FetchBoxError."""
        registered = self._handlers.get(submission.job_type)
        manifest = decode_manifest(submission.body, self._policy.limits)
        request = _Request(
            submission=submission,
            manifest=manifest,
            tenant=_tenant_of(submission, manifest),
            sha256=sha256(submission.body).hexdigest(),
        )
        if (key := request.idempotency) is None:
            return await self._create(request, registered)
        async with self._locks.hold(key):
            return await self._find(request, key) or await self._create(request, registered)

    async def _find(self, request: _Request, key: IdempotencyKey) -> Receipt | None:
        """Return the earlier job behind a key; one that failed or was never queued is none."""
        found = await self._ledger.find_accepted(key)
        if found is None or found.state is JobState.FAILED or not found.is_published:
            return None
        if self._clock() - found.created_at_ms >= self._policy.idempotency_ttl_ms:
            return None
        if found.manifest_sha256 != request.sha256:
            logger.warning("idempotency key repeated with another body", extra=_ids(found.job_id))
        return Receipt(
            job_id=found.job_id,
            manifest_key=found.manifest_key,
            resource_count=found.resource_count,
            tenant=request.tenant,
            is_repeat=True,
        )

    async def _create(self, request: _Request, registered: Registered) -> Receipt:
        job = await self._record(request)
        async with self._giving_up(job):
            tasks = await build_tasks(registered, job, request.manifest, self._policy.pools)
            await self._queue.publish(job, tasks, now_ms=self._clock())
        await self._confirm(job, len(tasks))
        return Receipt(
            job_id=job.job_id,
            manifest_key=job.manifest_key,
            resource_count=job.resource_count,
            tenant=job.tenant,
            is_repeat=False,
        )

    async def _record(self, request: _Request) -> NewJob:
        """Store the manifest and create the row; neither is left behind without the other."""
        submission, job_id = request.submission, str(uuid7())
        object_key = manifest_object_key(submission.job_type, job_id, self._policy.default_prefix)
        async with asyncio.TaskGroup() as group:
            cursor = group.create_task(self._queue.log_cursor(job_id))
            fault = await self._manifests.put(object_key, submission.body)
        if fault is not None:
            raise FetchBoxError(fault)
        job = NewJob(
            job_id=job_id,
            job_type=submission.job_type,
            tenant=request.tenant,
            manifest_key=manifest_uri(self._policy.bucket, object_key),
            manifest_sha256=request.sha256,
            resource_count=len(request.manifest.resources),
            log_cursor=cursor.result(),
            trace_id=submission.trace_id,
            created_at_ms=self._clock(),
            idempotency=request.idempotency,
        )
        try:
            await self._ledger.create_job(job)
        except FetchBoxError:
            await self._manifests.forget(object_key)
            raise
        except BaseException:
            await self._abort(job, _INTERRUPTED)  # the row may be there all the same
            raise
        return job

    @asynccontextmanager
    async def _giving_up(self, job: NewJob) -> AsyncIterator[None]:
        """Mark the job as failed, and name it in the error, when it cannot be queued."""
        try:
            yield
        except FetchBoxError as error:
            error.job_id = job.job_id
            await self._abort(job, error.failure)
            raise
        except BaseException:
            await self._abort(job, _INTERRUPTED)
            raise

    async def _abort(self, job: NewJob, cause: Failure) -> None:
        error = LastError(code=cause.code, message=cause.message, context=cause.context)
        try:
            await self._ledger.abort_job(job.job_id, error, now_ms=self._clock())
        except FetchBoxError:
            # Harmless: a row that was never published counts as failed for idempotency.
            logger.exception("job could not be marked as failed", extra=_ids(job.job_id))

    async def _confirm(self, job: NewJob, resource_total: int) -> None:
        try:
            await self._ledger.mark_published(
                job.job_id, resource_total=resource_total, now_ms=self._clock()
            )
        except FetchBoxError as error:
            error.job_id = job.job_id
            raise


def _tenant_of(submission: Submission, manifest: Manifest) -> str:
    """Resolve the tenant; it travels with every task, so a long one is refused."""
    tenant = resolve_tenant(submission.tenant, manifest.attributes)
    if len(tenant) <= MAX_TENANT_LENGTH:
        return tenant
    raise fail(
        FailureCode.VALIDATION_INVALID_ATTRIBUTES,
        f"attributes.tenant must have at most {MAX_TENANT_LENGTH} characters; shorten it",
        field="attributes.tenant",
        limit=MAX_TENANT_LENGTH,
        actual=len(tenant),
    )


def _ids(job_id: str) -> dict[str, str]:
    return {"job_id": job_id}
