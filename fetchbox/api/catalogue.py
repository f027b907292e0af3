"""Every operation in words, with an example each: the source of the OpenAPI document.

Shapes and limits are not repeated here; they come from the structs that the routes use.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from fetchbox.api import answers, examples, queries
from fetchbox.api.errors import ApiCode

JSON: Final = "application/json"

_NO_CONTROL: Final = r"^[^\u0000-\u001f\u007f-\u009f]*$"

Value = Annotated[
    str, Meta(max_length=1024, pattern=_NO_CONTROL, description="at most 1024 bytes of UTF-8")
]
Values = Annotated[dict[str, Value], Meta(max_length=10)]


class ResourceBody(Struct, kw_only=True):
    """One URL to download."""

    id: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            description="unique in the manifest; becomes part of the object key, so no control "
            "characters, no leading slash and no empty, '.' or '..' segment",
        ),
    ]
    url: Annotated[str, Meta(pattern="^[hH][tT][tT][pP][sS]?://[^/?#]+", description="http(s)")]
    headers: Annotated[Values, Meta(description="request headers for the download")] = (
        msgspec.field(default_factory=dict)
    )
    tags: Annotated[
        Values, Meta(description="content_type and checksum_hint (sha256:<hex>) are understood")
    ] = msgspec.field(default_factory=dict)


class ManifestBody(Struct, kw_only=True):
    """What to download. Unknown fields are ignored."""

    manifest_version: Literal["v1"]
    metadata: Annotated[dict[str, Any], Meta(description="stored as sent")]
    resources: Annotated[list[ResourceBody], Meta(min_length=1, max_length=1000)]
    attributes: Annotated[dict[str, Any], Meta(description="free; `tenant` is understood")] = (
        msgspec.field(default_factory=dict)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A successful answer; `shape` None stands for a stream."""

    text: str
    example: Any
    status: int = 200
    shape: type[Struct] | None = None
    media_type: str = JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHeader:
    """A header an operation reads."""

    name: str
    text: str
    is_required: bool = False
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBody:
    """A JSON body an operation takes."""

    shape: type[Struct]
    example: Any
    is_required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    tag: Literal["ingest", "operators", "health"]
    title: str
    text: str
    answers: tuple[Answer, ...]
    errors: tuple[ApiCode, ...]
    query: type[Struct] | None = None
    headers: tuple[RequestHeader, ...] = ()
    body: RequestBody | None = None


_SHORT: Final = {"type": "string", "maxLength": 255}
_ANY_TIME: Final = (ApiCode.INTERNAL_ERROR, ApiCode.REQUEST_TIMEOUT)
_TOKEN: Final = (ApiCode.UNAUTHORIZED, *_ANY_TIME)
_READ: Final = (ApiCode.INVALID_PAYLOAD, *_TOKEN)
_WRITE: Final = (ApiCode.FORBIDDEN, *_READ)

_SUBMIT: Final = Operation(
    method="post",
    path="/jobs",
    tag="ingest",
    title="Submit a manifest",
    text="Answers once the manifest is stored and every resource is queued. Progress is seen "
    "through the operator routes. The body may be sent with Content-Encoding gzip.",
    headers=(
        RequestHeader(
            name="X-Fetchbox-Job-Type",
            text="a configured job type",
            is_required=True,
            schema={**_SHORT, "minLength": 1, "examples": ["default"]},
        ),
        RequestHeader(
            name="X-Fetchbox-Tenant",
            text="default: `attributes.tenant` of the manifest, else `default`",
            schema=_SHORT,
        ),
        RequestHeader(
            name="X-Fetchbox-Idempotency-Key",
            text="repeating a key for the same tenant and job type returns the first job, "
            "unless that job failed",
            schema=_SHORT,
        ),
        RequestHeader(name="traceparent", text="W3C trace context; its trace id is kept"),
        RequestHeader(name="X-Request-Id", text="echoed in the answer; made up when absent"),
        RequestHeader(
            name="Content-Encoding",
            text="gzip or identity",
            schema={"type": "string", "enum": ["gzip", "identity"]},
        ),
    ),
    body=RequestBody(shape=ManifestBody, example=examples.MANIFEST, is_required=True),
    answers=(
        Answer(
            status=202,
            text="Stored and queued",
            shape=answers.AcceptedAnswer,
            example=examples.ACCEPTED,
        ),
    ),
    errors=(
        ApiCode.INVALID_PAYLOAD,
        ApiCode.UNSUPPORTED_JOB_TYPE,
        ApiCode.PAYLOAD_TOO_LARGE,
        ApiCode.STORAGE_ERROR,
        ApiCode.STORAGE_UNAVAILABLE,
        ApiCode.QUEUE_UNAVAILABLE,
        *_ANY_TIME,
    ),
)

_JOBS: Final = (
    Operation(
        method="get",
        path="/operators/jobs",
        tag="operators",
        title="List jobs",
        text="Newest first. Follow `next_cursor` until it is null.",
        query=queries.JobsQuery,
        answers=(
            Answer(
                text="One page",
                shape=answers.JobsAnswer,
                example={"jobs": [examples.JOB], "next_cursor": None},
            ),
        ),
        errors=_READ,
    ),
    Operation(
        method="get",
        path="/operators/jobs/{job_id}",
        tag="operators",
        title="Show a job",
        text="The snapshot of one job: state, counts, last error, where its logs begin.",
        answers=(Answer(text="Snapshot", shape=answers.JobAnswer, example=examples.JOB),),
        errors=(ApiCode.NOT_FOUND, *_TOKEN),
    ),
    Operation(
        method="get",
        path="/operators/jobs/{job_id}/logs",
        tag="operators",
        title="Read a job's log",
        text="Server-sent events: `log` per event with its offset as id, then `end` with "
        "next_offset, count and reason (limit, tail or terminal). A failure on the way is an "
        "`error` event. With follow the stream stays open until the job is over and quiet.",
        query=queries.LogsQuery,
        headers=(
            RequestHeader(
                name="Last-Event-ID",
                text="resume after this offset; wins over since_offset",
                schema={"type": "string", "pattern": "^[0-9]{1,18}$"},
            ),
        ),
        answers=(
            Answer(text="Events", media_type="text/event-stream", example=examples.LOG_STREAM),
        ),
        errors=(ApiCode.NOT_FOUND, ApiCode.QUEUE_UNAVAILABLE, *_READ),
    ),
)

_DEAD_LETTERS: Final = (
    Operation(
        method="get",
        path="/operators/dlq",
        tag="operators",
        title="List dead letters",
        text="Tasks given up on. Request headers of the tasks are not shown.",
        query=queries.DeadLettersQuery,
        answers=(
            Answer(
                text="Matching dead letters",
                shape=answers.DeadLettersAnswer,
                example={"entries": [examples.DEAD_LETTER]},
            ),
        ),
        errors=(ApiCode.QUEUE_UNAVAILABLE, *_READ),
    ),
    Operation(
        method="post",
        path="/operators/dlq/replay",
        tag="operators",
        title="Replay dead letters",
        text="Publishes the matching tasks again with attempt + 1, but for resources completed "
        "in the meantime. No body: all of them, up to the default limit.",
        body=RequestBody(
            shape=queries.DeadLettersQuery,
            example={"job_id": examples.JOB_ID, "limit": 100},
            is_required=False,
        ),
        answers=(
            Answer(
                text="What was done",
                shape=answers.ReplayAnswer,
                example={"replayed": 1, "skipped": 0, "entries": [examples.DEAD_LETTER]},
            ),
        ),
        errors=(ApiCode.PAYLOAD_TOO_LARGE, ApiCode.QUEUE_UNAVAILABLE, *_WRITE),
    ),
    Operation(
        method="post",
        path="/operators/dlq/purge",
        tag="operators",
        title="Delete all dead letters",
        text="Cannot be undone.",
        answers=(Answer(text="How many", shape=answers.PurgeAnswer, example={"purged": 3}),),
        errors=(ApiCode.QUEUE_UNAVAILABLE, *_WRITE),
    ),
)

_LEDGER: Final = (
    Operation(
        method="get",
        path="/operators/ledger/failures",
        tag="operators",
        title="List recent failures",
        text="The jobs that failed last, or ended partially.",
        query=queries.FailuresQuery,
        answers=(
            Answer(
                text="Failed jobs",
                shape=answers.FailuresAnswer,
                example={"jobs": [examples.FAILED_JOB]},
            ),
        ),
        errors=_READ,
    ),
    Operation(
        method="get",
        path="/operators/ledger/export",
        tag="operators",
        title="Export the ledger",
        text="Every job with its resources, oldest first, one JSON document a line.",
        answers=(Answer(text="Lines", media_type="application/x-ndjson", example=examples.EXPORT),),
        errors=_READ,
    ),
    Operation(
        method="post",
        path="/operators/ledger/prune",
        tag="operators",
        title="Prune the ledger",
        text="Applies the retention now instead of at the next hour.",
        answers=(Answer(text="How many", shape=answers.PruneAnswer, example={"pruned": 12}),),
        errors=_WRITE,
    ),
)

_HEALTHY: Final = (
    Answer(text="All well", shape=answers.HealthAnswer, example=examples.HEALTHY),
    Answer(
        status=503,
        text="A critical component is down",
        shape=answers.HealthAnswer,
        example=examples.DEGRADED,
    ),
)

_HEALTH: Final = (
    Operation(
        method="get",
        path="/health/live",
        tag="health",
        title="Is the process alive?",
        text="200 as long as it runs.",
        answers=(Answer(text="Alive", shape=answers.AliveAnswer, example={"status": "ok"}),),
        errors=_ANY_TIME,
    ),
    Operation(
        method="get",
        path="/health/ready",
        tag="health",
        title="Can it take work?",
        text="200 only if ledger, broker and storage answer; mirrored by the gauge service_ready.",
        answers=_HEALTHY,
        errors=_ANY_TIME,
    ),
    Operation(
        method="get",
        path="/health",
        tag="health",
        title="Health of the components",
        text="api, ledger, broker and storage are critical; proxy_pools is for information.",
        answers=_HEALTHY,
        errors=_ANY_TIME,
    ),
    Operation(
        method="get",
        path="/operators/health",
        tag="operators",
        title="Health of the components",
        text="The same as /health, behind the operator token.",
        answers=_HEALTHY,
        errors=_TOKEN,
    ),
)

OPERATIONS: Final = (_SUBMIT, *_JOBS, *_DEAD_LETTERS, *_LEDGER, *_HEALTH)
