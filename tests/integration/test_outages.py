"""Storage or broker away for a while: the answer says so, and nothing is lost."""

from collections.abc import Iterator

import pytest

from runner.waiting import wait_until
from tests.common.context import TestContext
from tests.common.manifests import manifest, resource
from tests.common.topics import dead_letters

pytestmark = pytest.mark.disruptive

#: Long enough for a test, short enough to heal by itself when one dies.
CUT_MS = 8000


@pytest.fixture
def storage_away(context: TestContext) -> Iterator[str]:
    yield from cut(context, "minio")


@pytest.fixture
def broker_away(context: TestContext) -> Iterator[str]:
    yield from cut(context, "iggy")


def cut(context: TestContext, relay: str) -> Iterator[str]:
    """Take it away; the test itself brings it back, the end of the test in any case."""
    peers = context.stack.peers
    if not peers.has_relay(relay):
        pytest.skip(f"this stack reaches {relay} without a relay that could be cut")
    yield relay
    peers.heal(relay)
    wait_until(lambda: context.get("/health").ok, 15, "the API to be well again")


def test_an_api_without_storage_says_so(context: TestContext, storage_away: str) -> None:
    document = manifest(resource("a", context.serve("a")))
    context.expected_errors.append("storage|STORAGE|request failed")
    context.stack.peers.cut(storage_away, CUT_MS)
    answer = context.post(
        b'{"manifest_version":"v1","metadata":{},"resources":[{"id":"a","url":"http://u/a"}]}'
    )
    context.stack.peers.heal(storage_away)

    assert answer.status_code == 503, answer.text
    assert answer.json()["error"]["code"] == "STORAGE_UNAVAILABLE"
    assert answer.headers["Retry-After"] == "1"
    job = context.submit_manifest(document)
    context.wait_for_job(job.job_id)


def test_a_worker_without_storage_gives_up_and_can_be_replayed(
    context: TestContext, storage_away: str
) -> None:
    url = context.peer_bytes(10, verb="hold")
    job = context.submit_manifest(manifest(resource("a", url)))
    traffic = context.stack.peers.traffic
    wait_until(lambda: traffic(context.case).open_now == 1, 10, "the download to start")
    context.stack.peers.cut(storage_away, CUT_MS)
    context.stack.peers.release(context.case)
    shown = context.wait_for_job(job.job_id, "failed", within_s=CUT_MS / 1000)
    context.stack.peers.heal(storage_away)

    assert shown["last_error"]["code"] == "UPLOAD_NETWORK"
    (letter,) = dead_letters(context.iggy_client, job.job_id)
    assert letter.failure_code == "UPLOAD_NETWORK"
    answer = context.stack.http.post(
        f"{context.operator_addr}/operators/dlq/replay",
        json={"job_id": job.job_id},
        headers=context.operator_headers(),
        timeout=5,
    )
    assert answer.status_code == 200, answer.text
    context.wait_for_job(job.job_id, after="failed")


def test_an_api_without_broker_says_so(context: TestContext, broker_away: str) -> None:
    document = manifest(resource("a", context.serve("a")))
    context.expected_errors.append("queue|QUEUE|broker|request failed")
    context.stack.peers.cut(broker_away, CUT_MS)
    answer = context.post(
        b'{"manifest_version":"v1","metadata":{},"resources":[{"id":"a","url":"http://u/a"}]}'
    )
    context.stack.peers.heal(broker_away)

    assert answer.status_code == 503, answer.text
    error = answer.json()["error"]
    assert error["code"] == "QUEUE_UNAVAILABLE"
    assert context.snapshot(error["job_id"])["status"] == "failed"
    job = context.submit_manifest(document)
    context.wait_for_job(job.job_id)
