"""One trace id from the client's header to the worker's log."""

import secrets
from functools import partial

import pytest

from runner.waiting import wait_until
from tests.common.context import TestContext
from tests.common.manifests import manifest, resource


def test_a_traceparent_reaches_the_worker(context: TestContext) -> None:
    trace_id = secrets.token_hex(16)
    parent = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
    document = manifest(resource("a", context.serve("a")))
    job = context.submit_manifest(document, headers=parent)
    shown = context.wait_for_job(job.job_id)

    assert shown["trace_id"] == trace_id
    assert {line["trace_id"] for line in context.log_lines(job.job_id)} == {trace_id}
    for kind in ("api", "worker-*"):
        look = partial(context.service_log, trace_id, kind)
        events = wait_until(look, 5, f"the trace id in the log of {kind}")
        assert any(event.get("job_id") == job.job_id for event in events), events


@pytest.mark.parametrize(
    "parent",
    [None, "garbage", f"00-{'0' * 32}-{'1' * 16}-01", f"ff-{'a' * 32}-{'1' * 16}-01"],
    ids=["absent", "garbage", "all zero", "version ff"],
)
def test_without_a_valid_parent_a_trace_id_is_made(
    context: TestContext, parent: str | None
) -> None:
    document = manifest(resource("a", context.serve("a")))
    job = context.submit_manifest(document, headers={"traceparent": parent})
    shown = context.wait_for_job(job.job_id)

    assert len(bytes.fromhex(shown["trace_id"])) == 16
    assert shown["trace_id"] not in {"0" * 32, "a" * 32}


def test_log_lines_carry_the_ids_of_their_job(context: TestContext) -> None:
    job, _ = context.run({"a": context.serve("a")})

    (access,) = [e for e in context.service_log(job.job_id, "api") if e.get("status") == 202]
    assert access["job_type"] == "it"
    assert access["tenant"] == context.tenant
    assert access["request_id"]
    logged = context.service_log(job.job_id, "worker-*")
    (done,) = [event for event in logged if event["message"] == "task.completed"]
    assert done["resource_id"] == "a"
    for event in (access, done):
        assert set(event) >= {"timestamp", "level", "target", "message", "trace_id"}, event
