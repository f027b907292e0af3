"""At least once: whoever is killed in the middle of a job, the job completes and counts once."""

import pytest

from runner.waiting import wait_until
from tests.common.context import DEFAULT_BUCKET, Json, SubmittedJob, TestContext
from tests.common.manifests import manifest_of
from tests.common.objects import list_objects
from tests.common.supervisor import Supervised
from tests.common.topics import outcomes
from tests.integration.conftest import revive

pytestmark = pytest.mark.disruptive

RESOURCES = 200
#: So many come at once; all others wait at the origin until they are let go.
QUICK = 100


def half_done_job(context: TestContext) -> SubmittedJob:
    """Return a job of which some is stored, some is being fetched and some still waits."""
    verbs = ["bytes"] * QUICK + ["hold"] * (RESOURCES - QUICK)
    urls = {f"r{n}": context.peer_bytes(100 + n, verb=verb) for n, verb in enumerate(verbs)}
    job = context.submit_manifest(manifest_of(urls))
    wait_until(lambda: held_now(context) > 1, 10, "the job to be in its middle")
    return job


def held_now(context: TestContext) -> int:
    return context.stack.peers.traffic(context.case).open_now


def owner_of(workers: list[Supervised]) -> Supervised:
    """Return the worker that has the job: one job is one partition."""
    busy = [worker for worker in workers if worker.metric("fetchbox_worker_tasks_inflight")]
    assert len(busy) == 1, f"{len(busy)} of {len(workers)} workers are busy"
    return busy[0]


def assert_everything_once(context: TestContext, job: SubmittedJob, shown: Json) -> None:
    """The account after the test compares the bytes of every object."""
    names = ("resource_total", "resource_completed", "resource_failed")
    assert [shown[name] for name in names] == [RESOURCES, RESOURCES, 0]
    keys = list_objects(context.minio_client, DEFAULT_BUCKET, f"resources/it/{job.job_id}/")
    assert len(keys) == RESOURCES
    reported = {outcome.resource_id for outcome in outcomes(context.iggy_client, job.job_id)}
    assert reported == set(job.urls)


def test_another_worker_takes_over_from_a_killed_one(
    context: TestContext, workers: list[Supervised]
) -> None:
    job = half_done_job(context)
    owner_of(workers).kill()
    assert context.snapshot(job.job_id)["status"] in {"queued", "in_progress"}
    context.stack.peers.release(context.case)

    shown = context.wait_for_job(job.job_id)
    assert_everything_once(context, job, shown)


def test_a_job_waits_for_the_restart_of_the_last_worker(
    context: TestContext, workers: list[Supervised]
) -> None:
    job = half_done_job(context)
    for worker in workers:
        worker.kill()
    context.stack.peers.release(context.case)
    assert context.snapshot(job.job_id)["status"] in {"queued", "in_progress"}
    revive(*workers)

    shown = context.wait_for_job(job.job_id)
    assert_everything_once(context, job, shown)


def test_the_ledger_catches_up_after_the_api_was_killed(
    context: TestContext, api: Supervised
) -> None:
    """The workers go on without it; the key of the job still finds it afterwards."""
    urls = {f"r{n}": context.peer_bytes(20 + n, verb="hold") for n in range(20)}
    document = manifest_of(urls)
    key = {"X-Fetchbox-Idempotency-Key": context.case}
    job = context.submit_manifest(document, headers=key)
    api.kill()
    context.stack.peers.release(context.case)
    where = (context.minio_client, DEFAULT_BUCKET, f"resources/it/{job.job_id}/")
    wait_until(lambda: len(list_objects(*where)) == len(urls), 15, "the workers to go on alone")
    revive(api)

    shown = context.wait_for_job(job.job_id)
    assert (shown["resource_completed"], shown["resource_failed"]) == (20, 0)
    assert context.submit_manifest(document, headers=key).job_id == job.job_id
