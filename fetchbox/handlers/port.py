"""The handler port: how a job type turns a manifest into tasks (contract 5.10)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from fetchbox.model.failure import FailureCode, FetchBoxError, failure
from fetchbox.model.manifest import Resource
from fetchbox.model.task import ProxyHint, StorageHint


class HandlerError(FetchBoxError):
    """Raise from a handler, e.g. `HandlerError(FailureCode.HANDLER_INVALID_MANIFEST, "...")`."""

    def __init__(self, code: FailureCode, message: str) -> None:
        """Use one of the four HANDLER_* codes."""
        super().__init__(failure(code, message))


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerConfig:
    """The `[handlers.NAME]` section of one job type."""

    handler: str = ""
    proxy_pool: str | None = None
    storage_bucket: str | None = None
    key_prefix: str | None = None
    default_headers: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def max_parallel_downloads(self) -> int | None:
        """Cap on concurrent downloads of this job type per worker process, None = none."""
        value = self.options.get("max_parallel_downloads")
        return value if type(value) is int and value > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestContext:
    """What a handler may look at. Metadata must not be altered."""

    job_id: str
    job_type: str
    manifest_version: str
    metadata: Mapping[str, Any]
    resources: tuple[Resource, ...]
    attributes: Mapping[str, Any]
    config: HandlerConfig = field(default_factory=HandlerConfig)
    #: Names of the configured proxy pools, so that a handler can prefer one only if it exists.
    pools: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedManifest:
    """The context, possibly with other resources, plus whatever the handler wants to keep."""

    context: ManifestContext
    handler_data: Any = None


class TaskDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A task as a handler describes it; intake adds the identity of the job.

    A manifest makes a thousand of them; a frozen dataclass costs ten times more.

    Attributes:
        http_headers: pairs, overlaid on the handler's default headers; names are case-insensitive.
        attributes: JSON-able; travels as `attributes.extra`.

    """

    resource_id: str
    url: str
    http_headers: tuple[tuple[str, str], ...] = ()
    proxy_hint: ProxyHint | None = None
    storage_hint: StorageHint | None = None
    tags: Mapping[str, str] = msgspec.field(default_factory=dict)
    attributes: Mapping[str, Any] | None = None


#: Takes one draft; a handler may call it instead of returning a list.
TaskEmitter = Callable[[TaskDraft], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """What finalize_job is told, once, when a job reaches a terminal state."""

    job_id: str
    job_type: str
    total_resources: int
    completed_resources: int
    failed_resources: int


class JobHandler(Protocol):
    """One job type's behaviour. Instances are shared by all jobs of the type."""

    async def prepare_manifest(self, context: ManifestContext) -> PreparedManifest:
        """Validate or transform; raise HandlerError to refuse."""
        ...

    async def build_tasks(
        self, prepared: PreparedManifest, emit: TaskEmitter
    ) -> Sequence[TaskDraft] | None:
        """Emit drafts one by one, or return them all."""
        ...

    async def finalize_job(self, summary: JobSummary) -> None:
        """React to the end of a job; errors are logged, never raised further."""
        ...
