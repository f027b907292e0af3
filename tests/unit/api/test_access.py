"""What every request passes through: request id, access log, metrics."""

import logging
from typing import Any
from uuid import UUID

import pytest

from fetchbox.model.failure import FailureCode, fail
from tests.fakes.api import JOB_ID, FakeIntake
from tests.fakes.asgi import AsgiClient, Headers
from tests.fakes.meter import Meter

GOOD: Headers = {
    "Content-Type": "application/json",
    "X-Fetchbox-Job-Type": "default",
    "X-Fetchbox-Tenant": "acme",
}


@pytest.fixture
def client(make_client: Any) -> AsgiClient:
    made = make_client()
    assert isinstance(made, AsgiClient)
    return made


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/health/live", 200),
        ("POST", "/jobs", 400),
        ("GET", "/nope", 404),
        ("DELETE", "/jobs", 405),
    ],
)
async def test_request_id_is_echoed_on_every_answer(
    client: AsgiClient, method: str, target: str, status: int
) -> None:
    answer = await client.send(method, target, {"X-Request-Id": "r-1"})
    assert (answer.status, answer.headers["x-request-id"]) == (status, "r-1")


async def test_request_id_is_made_up_when_absent_or_odd(client: AsgiClient) -> None:
    first = await client.get("/health/live")
    second = await client.get("/health/live", {"X-Request-Id": "a b"})
    assert UUID(first.headers["x-request-id"]) != UUID(second.headers["x-request-id"])


def access_log(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.message == "request served"]


async def test_each_request_is_logged_once_with_its_ids_and_no_secrets(
    client: AsgiClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    headers = {**GOOD, "X-Request-Id": "r-1", "X-Fetchbox-Operator-Token": "hunter2"}
    await client.post("/jobs?password=hunter2", headers, b"{}")

    (line,) = access_log(caplog)
    expected = {
        "method": "POST",
        "path": "/jobs",
        "route": "/jobs",
        "status": 202,
        "request_id": "r-1",
        "job_id": JOB_ID,
        "job_type": "default",
        "tenant": "resolved",
    }
    assert expected.items() <= line.items()
    assert line["duration_ms"] > 0
    assert "hunter2" not in str(line)


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        pytest.param({"Content-Type": ""}, {"trace_id"}, id="content-type"),
        pytest.param({"X-Fetchbox-Job-Type": "x"}, {"trace_id", "job_type"}, id="job-type"),
        pytest.param({"Content-Encoding": "br"}, {"trace_id", "job_type", "tenant"}, id="encoding"),
    ],
)
async def test_a_refused_request_is_logged_with_what_is_known_of_it(
    client: AsgiClient, caplog: pytest.LogCaptureFixture, changes: Headers, known: set[str]
) -> None:
    caplog.set_level(logging.INFO)
    await client.post("/jobs", {**GOOD, **changes}, b"{}")

    (line,) = access_log(caplog)
    assert line.keys() & {"job_id", "trace_id", "job_type", "tenant"} == known


async def test_a_job_that_could_not_be_queued_is_named_in_the_log(
    client: AsgiClient, intake: FakeIntake, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    error = fail(FailureCode.SYSTEM_QUEUE_UNAVAILABLE, "away")
    error.job_id = JOB_ID
    intake.fail_next(error)
    await client.post("/jobs", GOOD, b"{}")

    (line,) = access_log(caplog)
    (cause,) = [vars(record) for record in caplog.records if record.message == "request failed"]
    for each in (line, cause):
        assert (each["job_id"], each["job_type"], each["tenant"]) == (JOB_ID, "default", "acme")


async def test_unexpected_failure_is_logged_with_its_cause(
    client: AsgiClient, intake: FakeIntake, caplog: pytest.LogCaptureFixture
) -> None:
    intake.fail_next(ValueError("the cause"))
    answer = await client.post("/jobs", GOOD, b"{}")
    assert answer.status == 500
    assert answer.json == {
        "error": {
            "code": "INTERNAL_ERROR",
            "message": "internal error; the log has the cause under this answer's X-Request-Id",
        }
    }
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert error.exc_info is not None
    assert str(error.exc_info[1]) == "the cause"


async def test_requests_are_counted_by_route_template(client: AsgiClient, meter: Meter) -> None:
    for target in ("/operators/dlq", "/nope/1", "/nope/2", "/health/live"):
        await client.get(target)

    def count(status: str, route: str) -> float:
        return meter.growth("fetchbox_api_requests_total", status=status, route=route)

    assert count("404", "unmatched") == 2
    assert count("200", "/operators/dlq") == 1
    assert count("200", "/health/live") == 1
    assert meter.growth("fetchbox_operator_requests_total") == 1


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", "/nope", 404, "NOT_FOUND"),
        ("GET", "/operators/nope", 404, "NOT_FOUND"),
        ("GET", "/jobs", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/operators/dlq", 405, "METHOD_NOT_ALLOWED"),
    ],
)
async def test_unknown_routes_and_wrong_verbs_have_the_error_shape(
    client: AsgiClient, method: str, target: str, status: int, code: str
) -> None:
    answer = await client.send(method, target)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("surface", "target", "is_there"),
    [
        ("all", "/jobs", True),
        ("all", "/operators/dlq", True),
        ("ingest", "/jobs", True),
        ("ingest", "/operators/dlq", False),
        ("operators", "/jobs", False),
        ("operators", "/operators/dlq", True),
        ("ingest", "/health/live", True),
        ("operators", "/health/live", True),
    ],
)
async def test_listener_has_its_surface_only(
    make_client: Any, surface: str, target: str, *, is_there: bool
) -> None:
    answer = await make_client(surface=surface).send("PUT", target)
    assert answer.status == (405 if is_there else 404)


async def test_other_protocols_are_passed_on(client: AsgiClient) -> None:
    """The lifespan of the application runs through the same callable."""
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, str]:
        return next(events)

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    await client.app({"type": "lifespan", "state": {}}, receive, send)
    assert [event["type"] for event in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
