"""POST /jobs: what is checked, in which order, and what is answered and counted."""

import asyncio
import gzip
from dataclasses import replace
from typing import Any

import pytest

from fetchbox.api.app import ApiServices, create_app
from fetchbox.api.jobs import result_of
from fetchbox.broker.port import BrokerUnavailableError
from fetchbox.handlers.port import HandlerError
from fetchbox.intake.accept import Receipt, Submission
from fetchbox.ledger.port import LedgerError
from fetchbox.model.failure import FailureCode, FetchBoxError, fail, failure
from fetchbox.storage.port import StorageError
from tests.fakes.api import RECEIPT, FakeIntake, make_options
from tests.fakes.asgi import Answer, AsgiClient, Headers, Upload
from tests.fakes.meter import Meter
from tests.fakes.tracing import recording

LIMIT = 1000
BODY = b'{"manifest_version": "v1"}'
GOOD: dict[str, str | bytes] = {
    "Content-Type": "application/json",
    "X-Fetchbox-Job-Type": "default",
}
#: Status, `error.code`, and the reason or the counted result.
Expected = tuple[int, str, str]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def client(make_client: Any) -> AsgiClient:
    made = make_client(max_body_bytes=LIMIT, surface="ingest")
    assert isinstance(made, AsgiClient)
    return made


def reason(answer: Answer) -> str | None:
    details: dict[str, str] = answer.json["error"].get("details", {})
    return details.get("reason")


async def test_good_submission_is_accepted(client: AsgiClient, intake: FakeIntake) -> None:
    answer = await client.post("/jobs", GOOD, BODY)

    assert answer.status == 202
    assert answer.json == {
        "job_id": RECEIPT.job_id,
        "manifest_key": RECEIPT.manifest_key,
        "resource_count": 3,
    }
    assert answer.headers["content-type"] == "application/json"
    (submission,) = intake.submissions
    assert submission == Submission(
        job_type="default",
        tenant=None,
        idempotency_key=None,
        trace_id=submission.trace_id,
        body=BODY,
    )


async def test_headers_reach_intake(client: AsgiClient, intake: FakeIntake) -> None:
    headers: Headers = {
        **GOOD,
        "X-Fetchbox-Job-Type": "gallery",
        "X-Fetchbox-Tenant": "größe",
        "X-Fetchbox-Idempotency-Key": "k" * 255,
        "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
    }
    assert (await client.post("/jobs", headers, BODY)).status == 202
    assert intake.submissions == [
        Submission(
            job_type="gallery",
            tenant="größe",
            idempotency_key="k" * 255,
            trace_id=TRACE,
            body=BODY,
        )
    ]


@pytest.mark.parametrize(
    "traceparent", [None, "", "junk", f"00-{'0' * 32}-00f067aa0ba902b7-01", b"\xff"], ids=str
)
async def test_trace_id_is_made_up_when_absent_or_invalid(
    client: AsgiClient, intake: FakeIntake, traceparent: str | bytes | None
) -> None:
    extra: Headers = {} if traceparent is None else {"traceparent": traceparent}
    for _ in range(2):
        assert (await client.post("/jobs", {**GOOD, **extra}, BODY)).status == 202
    first, second = (submission.trace_id for submission in intake.submissions)
    assert first != second
    assert len(first) == 32
    assert int(first, 16)


async def test_empty_headers_count_as_absent(client: AsgiClient, intake: FakeIntake) -> None:
    empty = {"X-Fetchbox-Tenant": "", "X-Fetchbox-Idempotency-Key": " ", "Content-Encoding": ""}
    assert (await client.post("/jobs", {**GOOD, **empty}, BODY)).status == 202
    assert intake.submissions[0].tenant is None
    assert intake.submissions[0].idempotency_key is None


async def test_gzip_reaches_intake_expanded(client: AsgiClient, intake: FakeIntake) -> None:
    headers: Headers = {**GOOD, "Content-Encoding": " GZIP "}
    assert (await client.post("/jobs", headers, gzip.compress(BODY))).status == 202
    assert intake.submissions[0].body == BODY


@pytest.mark.parametrize(
    ("changes", "body", "expected"),
    [
        pytest.param(
            {"Content-Type": ""},
            BODY,
            (400, "INVALID_PAYLOAD", "VALIDATION_INVALID_CONTENT_TYPE"),
            id="1-no-content-type",
        ),
        pytest.param(
            {"Content-Type": "text/json"},
            BODY,
            (400, "INVALID_PAYLOAD", "VALIDATION_INVALID_CONTENT_TYPE"),
            id="1-other-content-type",
        ),
        pytest.param(
            {"X-Fetchbox-Job-Type": " "},
            BODY,
            (400, "INVALID_PAYLOAD", "VALIDATION_MISSING_FIELD"),
            id="2-no-job-type",
        ),
        pytest.param(
            {"X-Fetchbox-Job-Type": "nope"},
            BODY,
            (403, "UNSUPPORTED_JOB_TYPE", "VALIDATION_UNSUPPORTED_JOB_TYPE"),
            id="3-job-type-not-configured",
        ),
        pytest.param(
            {"X-Fetchbox-Job-Type": b"\xe9"},
            BODY,
            (400, "INVALID_PAYLOAD", "VALIDATION_INVALID_FIELD"),
            id="header-not-utf-8",
        ),
        pytest.param(
            {"X-Fetchbox-Idempotency-Key": "k" * 256},
            BODY,
            (400, "INVALID_PAYLOAD", "VALIDATION_INVALID_FIELD"),
            id="idempotency-key-too-long",
        ),
        pytest.param(
            {"Content-Encoding": "br"},
            BODY,
            (400, "INVALID_PAYLOAD", "VALIDATION_INVALID_ENCODING"),
            id="4-encoding-unsupported",
        ),
        pytest.param(
            {"Content-Encoding": "gzip, gzip"},
            BODY,
            (400, "INVALID_PAYLOAD", "VALIDATION_INVALID_ENCODING"),
            id="4-encoding-stacked",
        ),
        pytest.param(
            {"Content-Encoding": "gzip"},
            BODY,
            (400, "INVALID_PAYLOAD", "VALIDATION_INVALID_ENCODING"),
            id="4-not-gzip",
        ),
        pytest.param(
            {},
            b"x" * (LIMIT + 1),
            (413, "PAYLOAD_TOO_LARGE", "VALIDATION_PAYLOAD_TOO_LARGE"),
            id="5-too-large",
        ),
        pytest.param(
            {"Content-Length": str(LIMIT + 1)},
            b"",
            (413, "PAYLOAD_TOO_LARGE", "VALIDATION_PAYLOAD_TOO_LARGE"),
            id="5-announced-too-large",
        ),
        pytest.param(
            {"Content-Encoding": "gzip"},
            gzip.compress(b" " * (LIMIT + 1)),
            (413, "PAYLOAD_TOO_LARGE", "VALIDATION_PAYLOAD_TOO_LARGE"),
            id="5-expands-too-large",
        ),
    ],
)
async def test_submission_is_refused_before_intake(
    client: AsgiClient, intake: FakeIntake, changes: Headers, body: bytes, expected: Expected
) -> None:
    answer = await client.post("/jobs", {**GOOD, **changes}, body)
    assert (answer.status, answer.json["error"]["code"], reason(answer)) == expected
    assert intake.submissions == []


#: One fault per check of contract 1.5, in its order; each refused with everything after it wrong.
FAULTS: list[tuple[str, str, str]] = [
    ("Content-Type", "text/plain", "VALIDATION_INVALID_CONTENT_TYPE"),
    ("X-Fetchbox-Job-Type", "", "VALIDATION_MISSING_FIELD"),
    ("X-Fetchbox-Job-Type", "nope", "VALIDATION_UNSUPPORTED_JOB_TYPE"),
    ("Content-Encoding", "br", "VALIDATION_INVALID_ENCODING"),
    ("Content-Length", str(LIMIT + 1), "VALIDATION_PAYLOAD_TOO_LARGE"),
]


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=[fault[2] for fault in FAULTS])
async def test_first_failing_check_wins(client: AsgiClient, number: int) -> None:
    wrong = {name: text for name, text, _ in reversed(FAULTS[number:])}
    answer = await client.post("/jobs", {**GOOD, **wrong}, BODY)
    assert reason(answer) == FAULTS[number][2]


async def test_endless_upload_is_refused_while_it_arrives(client: AsgiClient) -> None:
    """100 MB, no Content-Length: no more is taken than the limit and one chunk."""
    upload = Upload(b"x" * 100 for _ in range(1_000_000))
    answer = await client.post("/jobs", GOOD, upload)
    assert answer.status == 413
    assert upload.size_bytes <= LIMIT + 100


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(
            fail(FailureCode.VALIDATION_RESOURCE_COUNT, "none"),
            (400, "INVALID_PAYLOAD", "invalid"), id="manifest",
        ),
        pytest.param(
            HandlerError(FailureCode.HANDLER_TASK_GENERATION, "no tasks"),
            (500, "INTERNAL_ERROR", "handler_error"), id="handler",
        ),
        pytest.param(
            LedgerError("cannot write"), (500, "INTERNAL_ERROR", "internal_error"), id="ledger"
        ),
        pytest.param(
            StorageError(failure(FailureCode.STORAGE_ERROR, "denied")),
            (502, "STORAGE_ERROR", "storage_error"), id="storage-refused",
        ),
        pytest.param(
            StorageError(failure(FailureCode.STORAGE_UNAVAILABLE, "away")),
            (503, "STORAGE_UNAVAILABLE", "storage_error"), id="storage-away",
        ),
        pytest.param(
            BrokerUnavailableError("away"),
            (503, "QUEUE_UNAVAILABLE", "publish_error"), id="broker-away",
        ),
        pytest.param(
            ValueError("secret"), (500, "INTERNAL_ERROR", "internal_error"), id="unexpected"
        ),
    ],
)  # fmt: skip
async def test_failure_of_intake_is_answered_and_counted(
    client: AsgiClient,
    intake: FakeIntake,
    meter: Meter,
    error: Exception,
    expected: Expected,
) -> None:
    status, code, result = expected
    intake.fail_next(error)
    answer = await client.post("/jobs", GOOD, BODY)

    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert answer.headers.get("retry-after") == ("1" if status == 503 else None)
    assert b"secret" not in answer.body
    name = "fetchbox_ingest_jobs_total"
    assert meter.growth(name, result=result, job_type="default") == 1


@pytest.mark.parametrize("topic", ["jobs.status", "jobs.tasks"])
async def test_publish_given_up_on_is_counted_by_its_topic(
    client: AsgiClient, intake: FakeIntake, meter: Meter, topic: str
) -> None:
    intake.fail_next(fail(FailureCode.SYSTEM_QUEUE_UNAVAILABLE, "away", topic=topic))
    await client.post("/jobs", GOOD, BODY)
    assert meter.growth("fetchbox_publish_failures_total", stream=topic) == 1


async def test_job_that_exists_is_named_in_the_error(
    client: AsgiClient, intake: FakeIntake
) -> None:
    cause = failure(FailureCode.SYSTEM_QUEUE_UNAVAILABLE, "away")
    intake.fail_next(FetchBoxError(cause, job_id="j-1"))
    answer = await client.post("/jobs", GOOD, BODY)
    assert answer.json["error"]["job_id"] == "j-1"


async def test_request_that_takes_too_long_is_given_up(
    services: ApiServices,
) -> None:
    class Stuck:
        async def accept(self, _submission: Submission, /) -> Receipt:
            await asyncio.Event().wait()
            raise AssertionError

    options = make_options(request_timeout_ms=10, surface="ingest")
    app = create_app(replace(services, intake=Stuck()), options, stopping=asyncio.Event())
    client = AsgiClient(app)
    answer = await client.post("/jobs", GOOD, BODY)
    assert (answer.status, answer.json["error"]["code"]) == (503, "REQUEST_TIMEOUT")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(("is_repeat", "result"), [(False, "accepted"), (True, "replayed")])
async def test_success_is_counted(
    client: AsgiClient, intake: FakeIntake, meter: Meter, *, is_repeat: bool, result: str
) -> None:
    intake.receipt = replace(RECEIPT, is_repeat=is_repeat)
    await client.post("/jobs", {**GOOD, "Content-Encoding": "gzip"}, gzip.compress(BODY))

    assert meter.growth("fetchbox_ingest_jobs_total", result=result, job_type="default") == 1
    assert meter.growth("fetchbox_ingest_bytes_total") == len(BODY)
    assert meter.growth("fetchbox_ingest_duration_seconds_count") == 1
    assert meter.growth("fetchbox_api_requests_total", status="202", route="/jobs") == 1


async def test_unknown_job_types_do_not_grow_the_metrics(client: AsgiClient, meter: Meter) -> None:
    for name in ("a", "b"):
        await client.post("/jobs", {**GOOD, "X-Fetchbox-Job-Type": name}, BODY)
    labels = {"result": "unsupported", "job_type": "other"}
    assert meter.growth("fetchbox_ingest_jobs_total", **labels) == 2


@pytest.mark.parametrize("code", FailureCode)
def test_every_failure_has_a_result(code: FailureCode) -> None:
    assert result_of(code) in {
        "invalid", "too_large", "unsupported", "storage_error", "publish_error",
        "handler_error", "internal_error",
    }  # fmt: skip


async def test_taking_a_job_over_is_a_span_of_the_client_s_trace(client: AsgiClient) -> None:
    with recording() as recorder:
        await client.post("/jobs", {**GOOD, "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, BODY)
    (accepted,) = recorder.spans
    assert (accepted.name, accepted.trace_id) == ("accept job", TRACE)
    assert accepted.attributes == {"job_type": "default"}
