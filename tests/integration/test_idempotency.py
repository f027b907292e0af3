"""One key, one job: repeats, concurrent posts, other tenants, failed jobs."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.common.context import DEFAULT_BUCKET, SubmittedJob, TestContext
from tests.common.manifests import manifest, manifest_of, resource
from tests.common.objects import list_objects
from tests.common.wiremock import Reply

KEY = "X-Fetchbox-Idempotency-Key"


def keyed(context: TestContext, key: str = "once") -> dict[str, str | None]:
    return {KEY: f"{context.case}-{key}"}


def manifest_count(context: TestContext, job: SubmittedJob) -> int:
    found = list_objects(context.minio_client, DEFAULT_BUCKET, f"manifests/it/{job.job_id}/")
    return len(found)


def jobs_of(context: TestContext) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = context.get("/jobs", tenant=context.tenant).json()["jobs"]
    return listed


def test_a_repeated_key_returns_the_first_job(context: TestContext) -> None:
    document = manifest_of({"a": context.serve("a"), "b": context.serve("b")})
    first = context.submit_manifest(document, headers=keyed(context))
    early = context.submit_manifest(document, headers=keyed(context))
    context.wait_for_job(first.job_id)
    late = context.submit_manifest(document, headers=keyed(context))

    assert early.job_id == late.job_id == first.job_id
    assert late.manifest_key == first.manifest_key
    assert late.resource_count == 2
    assert manifest_count(context, first) == 1
    assert [len(context.requests_for(name)) for name in ("a", "b")] == [1, 1]
    assert [job["job_id"] for job in jobs_of(context)] == [first.job_id]


def test_twenty_concurrent_posts_of_one_key_make_one_job(context: TestContext) -> None:
    document = manifest(resource("a", context.serve("a")))

    def submit(_: int) -> SubmittedJob:
        return context.submit_manifest(document, headers=keyed(context))

    with ThreadPoolExecutor(20) as pool:
        jobs = list(pool.map(submit, range(20)))
    context.wait_for_job(jobs[0].job_id)

    assert len({job.job_id for job in jobs}) == 1
    assert len(jobs_of(context)) == 1
    assert len(context.requests_for("a")) == 1


def test_a_key_belongs_to_a_tenant_and_a_job_type(context: TestContext) -> None:
    document = manifest(resource("a", context.serve("a")))
    first = context.submit_manifest(document, headers=keyed(context))
    other_type = context.submit_manifest(document, headers=keyed(context), job_type="it_custom")
    other_tenant = context.submit_manifest(
        document, headers={**keyed(context), "X-Fetchbox-Tenant": f"{context.tenant}-2"}
    )
    jobs = (first, other_type, other_tenant)
    for job in jobs:
        context.wait_for_job(job.job_id)

    assert len({job.job_id for job in jobs}) == 3
    assert len(context.requests_for("a")) == 3


def test_a_failed_job_frees_its_key(context: TestContext) -> None:
    url = context.answer("a", Reply(status=404), Reply(body=b"there now"))
    document = manifest(resource("a", url))
    failed = context.submit_manifest(document, headers=keyed(context))
    context.wait_for_job(failed.job_id, "failed")

    again = context.submit_manifest(document, headers=keyed(context))
    context.wait_for_job(again.job_id)
    repeat = context.submit_manifest(document, headers=keyed(context))

    assert again.job_id != failed.job_id
    assert repeat.job_id == again.job_id
    assert context.object(again.key("a")).body == b"there now"


def test_without_a_key_every_post_is_a_job(context: TestContext) -> None:
    document = manifest(resource("a", context.serve("a")))
    jobs = [context.submit_manifest(document, headers={KEY: key}) for key in (None, "", None)]
    for job in jobs:
        context.wait_for_job(job.job_id)

    assert len({job.job_id for job in jobs}) == 3


def test_the_tenant_may_come_from_the_attributes(context: TestContext) -> None:
    document = manifest(
        resource("a", context.serve("a")), attributes={"tenant": f"{context.tenant}-attr"}
    )
    job = context.submit_manifest(document, headers={"X-Fetchbox-Tenant": None})
    assert context.wait_for_job(job.job_id)["tenant"] == f"{context.tenant}-attr"


def test_a_job_without_a_tenant_belongs_to_default(context: TestContext) -> None:
    document = manifest(resource("a", context.serve("a")), attributes={"tenant": 7})
    job = context.submit_manifest(document, headers={"X-Fetchbox-Tenant": ""})
    assert context.wait_for_job(job.job_id)["tenant"] == "default"
