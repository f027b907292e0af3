"""POST /jobs: headers and body in the order of contract 1.5, then intake."""

from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex
from time import perf_counter
from typing import Any, Final, Protocol

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler

from fetchbox.api.access import facts_of
from fetchbox.api.answers import AcceptedAnswer
from fetchbox.api.body import encoding_of, read_body
from fetchbox.api.errors import API_CODE_OF, ApiCode
from fetchbox.api.headers import RawHeaders, content_length, raw_value, require_json, text_value
from fetchbox.api.route_group import RouteGroup
from fetchbox.broker import streams
from fetchbox.intake.accept import Receipt, Submission
from fetchbox.model.failure import FailureCode, FetchBoxError, fail
from fetchbox.model.ids import trace_id_of
from fetchbox.telemetry.metrics import Metrics
from fetchbox.telemetry.tracing import span

JOB_TYPE: Final = "X-Fetchbox-Job-Type"
TENANT: Final = "X-Fetchbox-Tenant"
IDEMPOTENCY_KEY: Final = "X-Fetchbox-Idempotency-Key"
#: Stands for every job type that is not configured, so that clients cannot grow the metrics.
OTHER: Final = "other"

#: Values of `result` of fetchbox_ingest_jobs_total, by the answer that was given.
RESULTS: Final = {
    ApiCode.INVALID_PAYLOAD: "invalid",
    ApiCode.PAYLOAD_TOO_LARGE: "too_large",
    ApiCode.UNSUPPORTED_JOB_TYPE: "unsupported",
    ApiCode.STORAGE_ERROR: "storage_error",
    ApiCode.STORAGE_UNAVAILABLE: "storage_error",
    ApiCode.QUEUE_UNAVAILABLE: "publish_error",
}


class Accepting(Protocol):
    """What this route needs of intake."""

    async def accept(self, submission: Submission, /) -> Receipt:
        """Take a submission over durably; raises FetchBoxError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSubmission(RouteGroup):
    """The ingest route."""

    intake: Accepting
    job_types: Container[str]
    max_body_bytes: int
    metrics: Metrics

    def routes(self) -> list[HTTPRouteHandler]:
        """Return POST /jobs; its body limit is its own."""
        return [post("/jobs", status_code=202, request_max_body_size=None)(self.submit)]

    async def submit(self, request: Request[Any, Any, Any]) -> AcceptedAnswer:
        """Accept a manifest."""
        ids = facts_of(request.scope).ids
        with self._measured(ids) as tally:
            submission = await self._read(request, tally, ids)
            with span("accept job", trace_id=submission.trace_id, job_type=submission.job_type):
                receipt = await self.intake.accept(submission)
            ids |= {"job_id": receipt.job_id, "tenant": receipt.tenant}
            tally.result = "replayed" if receipt.is_repeat else "accepted"
        return AcceptedAnswer(
            job_id=receipt.job_id,
            manifest_key=receipt.manifest_key,
            resource_count=receipt.resource_count,
        )

    async def _read(
        self, request: Request[Any, Any, Any], tally: "_Tally", ids: dict[str, str]
    ) -> Submission:
        """Check headers and body in order; `ids` gets what is known when a check fails."""
        headers: RawHeaders = request.scope["headers"]
        traceparent = raw_value(headers, b"traceparent").decode("latin-1")
        ids["trace_id"] = trace_id = trace_id_of(traceparent) or token_hex(16)
        require_json(headers)
        tally.job_type = job_type = self._job_type(headers, ids)
        if tenant := text_value(headers, TENANT):
            ids["tenant"] = tenant
        idempotency_key = text_value(headers, IDEMPOTENCY_KEY)
        body = await read_body(
            request.receive,
            encoding=encoding_of(text_value(headers, "Content-Encoding")),
            limit=self.max_body_bytes,
            announced=content_length(headers),
        )
        self.metrics.ingest_bytes.inc(len(body))
        return Submission(
            job_type=job_type,
            tenant=tenant,
            idempotency_key=idempotency_key,
            trace_id=trace_id,
            body=body,
        )

    def _job_type(self, headers: RawHeaders, ids: dict[str, str]) -> str:
        job_type = text_value(headers, JOB_TYPE)
        if job_type is None:
            message = f"header {JOB_TYPE} is missing or empty"
            raise fail(FailureCode.VALIDATION_MISSING_FIELD, message, field=JOB_TYPE)
        ids["job_type"] = job_type
        if job_type not in self.job_types:
            message = f"job type {job_type!r} is not configured"
            raise fail(FailureCode.VALIDATION_UNSUPPORTED_JOB_TYPE, message)
        return job_type

    @contextmanager
    def _measured(self, ids: dict[str, str]) -> Iterator["_Tally"]:
        tally, started = _Tally(), perf_counter()
        try:
            yield tally
        except FetchBoxError as error:
            tally.result = result_of(error.failure.code)
            if error.job_id is not None:
                ids["job_id"] = error.job_id
            if error.failure.code is FailureCode.SYSTEM_QUEUE_UNAVAILABLE:
                topic = error.failure.context.get("topic", streams.TASKS)
                self.metrics.publish_failures.labels(topic).inc()
            raise
        finally:
            self.metrics.ingest_jobs.labels(tally.result, tally.job_type).inc()
            self.metrics.ingest_duration.observe(perf_counter() - started)


@dataclass(slots=True)
class _Tally:
    """How one submission is counted; a cancelled one stays an internal error."""

    result: str = "internal_error"
    job_type: str = OTHER


def result_of(code: FailureCode) -> str:
    """Name the outcome of a refused submission for the metrics."""
    if code.startswith("HANDLER_"):
        return "handler_error"
    return RESULTS.get(API_CODE_OF[code], "internal_error")
