"""IT-10: a manifest goes in over HTTP, its resources come out in object storage."""

import gzip
import hashlib
import json
import re
from typing import Any
from uuid import UUID

import pytest

from tests.common.context import DEFAULT_BUCKET, SubmittedJob, TestContext
from tests.common.manifests import manifest, resource
from tests.common.objects import list_objects

BODIES = {
    "page": (b"<h1>first</h1>", "text/html; charset=utf-8"),
    "pixel": (bytes(range(256)) * 4, "image/png"),
    "notes": (b'{"third": true}\n', "application/json"),
}
#: That all of so many jobs fall to one of two workers is as good as impossible.
MANY_JOBS = 25


def three_resources(context: TestContext) -> dict[str, Any]:
    entries = [
        resource(name, context.serve(name, body, content_type=content_type))
        for name, (body, content_type) in BODIES.items()
    ]
    return manifest(*entries, metadata={"crawl": {"note": "späť ☂", "n": 1.50}})


def assert_stored(context: TestContext, job: SubmittedJob) -> None:
    for name, (body, content_type) in BODIES.items():
        stored = context.object(job.key(name))
        assert stored.body == body, name
        assert stored.content_type == content_type, name


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
def test_every_resource_of_a_manifest_is_stored(context: TestContext, *, compress: bool) -> None:
    job = context.submit_manifest(three_resources(context), compress=compress)
    shown = context.wait_for_job(job.job_id)

    assert job.resource_count == 3
    assert UUID(job.job_id).version == 7
    assert job.job_id == str(UUID(job.job_id))
    assert_stored(context, job)
    assert shown["status"] == shown["state"] == "completed"
    assert (shown["resource_total"], shown["resource_completed"], shown["resource_failed"]) == (
        3,
        3,
        0,
    )
    assert shown["last_error"] is None
    assert shown["dlq"] is None
    assert shown["origin"] == "api"
    assert shown["tenant"] == context.tenant
    stored = [line["resource_id"] for line in context.completions(job.job_id)]
    assert sorted(stored) == sorted(BODIES)


def test_the_manifest_is_stored_byte_for_byte(context: TestContext) -> None:
    odd = json.dumps(three_resources(context), indent=3, ensure_ascii=False)
    body = f"\n {odd}\t\n".encode()
    answer = context.post(gzip.compress(body), headers={"Content-Encoding": "GZip "}, job_type="it")
    accepted = answer.json()
    job_id = accepted["job_id"]
    context.wait_for_job(job_id)

    assert answer.status_code == 202
    key = f"manifests/it/{job_id}/metadata.json"
    assert accepted["manifest_key"] == f"s3://{DEFAULT_BUCKET}/{key}"
    stored = context.object(key)
    assert stored.body == body
    assert stored.content_type == "application/json"
    assert stored.content_encoding == ""


def test_an_accepted_job_is_visible_at_once(context: TestContext) -> None:
    """202 comes after manifest and ledger, so nobody who reads it sees a 404."""
    job = context.submit_manifest(manifest(resource("held", context.peer_bytes(10, verb="hold"))))
    try:
        shown = context.snapshot(job.job_id)
        assert shown["status"] in {"queued", "in_progress"}
        assert shown["resource_total"] == 1
        assert context.object(f"manifests/it/{job.job_id}/metadata.json").body
    finally:
        context.stack.peers.release(context.case)
    context.wait_for_job(job.job_id)


def test_times_are_utc_with_milliseconds(context: TestContext) -> None:
    _, shown = context.run({"a": context.serve("a")})

    for name in ("created_at", "updated_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shown[name]), shown
    assert shown["updated_at"] >= shown["created_at"]


def test_headers_of_a_resource_reach_the_origin(context: TestContext) -> None:
    """Header names keep their value; hop-by-hop ones and host are dropped."""
    url = context.serve("a")
    sent = {"X-Custom-Header": "custom", "USER-AGENT": "tests/1", "Host": "elsewhere.invalid"}
    job = context.submit_manifest(manifest(resource("a", url, headers=sent)))
    context.wait_for_job(job.job_id)

    (seen,) = context.requests_for("a")
    assert seen.header("User-Agent") == "tests/1"
    assert seen.header("X-Custom-Header") == "custom"
    assert "elsewhere" not in str(seen.header("Host"))
    assert seen.header("Accept-Encoding") == "identity"


def test_tags_decide_content_type_and_checksum(context: TestContext) -> None:
    url = context.serve("a", b"tagged", content_type="text/plain")
    tags = {"content_type": "application/x-tagged", "checksum_hint": "sha256:abcd"}
    job = context.submit_manifest(manifest(resource("a", url, tags=tags)))
    context.wait_for_job(job.job_id)

    stored = context.object(job.key("a"))
    assert stored.content_type == "application/x-tagged"
    assert stored.metadata["sha256"] == hashlib.sha256(b"tagged").hexdigest()


def test_ids_with_folders_and_blanks_become_keys(context: TestContext) -> None:
    ids = ["a/b/c.txt", "with blank", "ünï", "x" * 128]
    urls = {identity: context.serve(f"r{number}") for number, identity in enumerate(ids)}
    job, _ = context.run(urls)

    for identity, url in urls.items():
        assert context.object(job.key(identity)).body == context.served[url]


def test_several_jobs_share_the_workers(context: TestContext) -> None:
    """One job is one partition and so one worker; with enough jobs every worker gets some."""
    wanted = len(context.stack.addresses.worker_metrics)
    used: set[str] = set()
    for number in range(MANY_JOBS):
        urls = {name: context.serve(f"{number}/{name}") for name in ("a", "b", "c")}
        job, _ = context.run(urls)
        workers = {line["fields"]["worker_id"] for line in context.log_lines(job.job_id)}
        assert len(workers) == 1, f"job {job.job_id} was shared by {workers}"
        used |= workers
        if len(used) == wanted:
            return
    raise AssertionError(f"{MANY_JOBS} jobs and only {used} of {wanted} workers had one")


def test_no_object_is_left_behind_in_the_default_place(context: TestContext) -> None:
    job, _ = context.run({"a": context.serve("a"), "b": context.serve("b")})

    keys = list_objects(context.minio_client, DEFAULT_BUCKET, f"resources/it/{job.job_id}")
    assert sorted(keys) == [job.key("a"), job.key("b")]
