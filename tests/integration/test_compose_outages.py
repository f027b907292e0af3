"""Containers killed, Iggy or MinIO cut off, in the middle of a job: it ends as it should have."""

import pytest

from runner.waiting import wait_until
from tests.common.context import SubmittedJob, TestContext
from tests.common.manifests import manifest_of
from tests.common.supervisor import Supervised
from tests.integration.conftest import revive

pytestmark = [pytest.mark.needs_compose, pytest.mark.disruptive]

CUT_MS = 5000
RESOURCES = 30


def job_being_fetched(context: TestContext) -> SubmittedJob:
    """Return a job all of whose resources wait at the origin until they are let go."""
    urls = {f"r{n}": context.peer_bytes(100 + n, verb="hold") for n in range(RESOURCES)}
    job = context.submit_manifest(manifest_of(urls))
    traffic = context.stack.peers.traffic
    wait_until(lambda: traffic(context.case).open_now == RESOURCES, 15, "all downloads to start")
    return job


def starts_of(*fleet: Supervised) -> list[int]:
    return [process.state()["starts"] for process in fleet]


def test_a_job_survives_the_kill_of_api_and_workers(
    context: TestContext, api: Supervised, workers: list[Supervised]
) -> None:
    job = job_being_fetched(context)
    for process in (api, *workers):
        process.kill()
    context.stack.peers.release(context.case)
    revive(api, *workers)

    shown = context.wait_for_job(job.job_id)
    assert (shown["resource_completed"], shown["resource_failed"]) == (RESOURCES, 0)


def test_a_job_survives_five_seconds_without_iggy(
    context: TestContext, api: Supervised, workers: list[Supervised]
) -> None:
    """API and workers stay up, say that they are not ready, and go on by themselves."""
    if not context.stack.addresses.is_iggy:
        pytest.skip("the broker of this stack is not Iggy")
    context.expected_errors.append("queue|QUEUE|broker")
    job, before = job_being_fetched(context), starts_of(api, *workers)
    context.stack.peers.cut("iggy", CUT_MS)
    context.stack.peers.release(context.case)
    wait_until(lambda: not api.is_ready(), CUT_MS / 1000, "the API to say that it is not ready")

    wait_until(api.is_ready, 20, "the API to be ready again by itself")
    shown = context.wait_for_job(job.job_id)
    assert (shown["resource_completed"], shown["resource_failed"]) == (RESOURCES, 0)
    assert starts_of(api, *workers) == before


def test_five_seconds_without_minio_cost_no_process(
    context: TestContext, api: Supervised, workers: list[Supervised]
) -> None:
    """What could not be stored is a dead letter, and its replay completes the job."""
    job, before = job_being_fetched(context), starts_of(api, *workers)
    context.stack.peers.cut("minio", CUT_MS)
    context.stack.peers.release(context.case)
    context.wait_for_job(job.job_id, "failed")
    wait_until(lambda: context.stack.peers.is_open("minio"), 20, "MinIO to be back")

    answer = context.stack.http.post(
        f"{context.operator_addr}/operators/dlq/replay",
        json={"job_id": job.job_id},
        headers=context.operator_headers(),
        timeout=10,
    )
    assert answer.ok, answer.text
    context.wait_for_job(job.job_id, after="failed")
    assert starts_of(api, *workers) == before
