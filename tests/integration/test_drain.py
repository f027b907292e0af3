"""SIGTERM: what runs is finished, what waits is left to others, nothing is done twice."""

import threading
from collections import Counter

import pytest

from runner.waiting import wait_until
from tests.common.context import TestContext
from tests.common.manifests import manifest_of
from tests.common.supervisor import Supervised

pytestmark = pytest.mark.disruptive

#: More than one worker runs at once (worker.max_inflight_tasks = 32).
RESOURCES = 40
INFLIGHT = 32
RELEASE_AFTER_S = 0.4


def test_a_worker_drains_before_it_stops(context: TestContext, workers: list[Supervised]) -> None:
    urls = {f"r{n}": context.peer_bytes(10 + n, verb="hold") for n in range(RESOURCES)}
    job = context.submit_manifest(manifest_of(urls))
    traffic = context.stack.peers.traffic
    wait_until(lambda: traffic(context.case).open_now == INFLIGHT, 10, "all slots to be taken")
    owner = next(w for w in workers if w.metric("fetchbox_worker_tasks_inflight"))

    release = threading.Timer(RELEASE_AFTER_S, context.stack.peers.release, [context.case])
    release.start()
    owner.terminate()
    release.join()

    assert owner.state()["exit_code"] == 0
    context.wait_for_job(job.job_id)
    seen = Counter(request.url for request in traffic(context.case).seen)
    assert len(seen) == RESOURCES
    assert set(seen.values()) == {1}, "something was fetched twice"
    by_worker = Counter(line["fields"]["worker_id"] for line in context.completions(job.job_id))
    assert sorted(by_worker.values()) == [RESOURCES - INFLIGHT, INFLIGHT]


def test_the_api_stops_cleanly(context: TestContext, api: Supervised) -> None:
    """A follower of a log is let go, the exit code is 0, and after the start all is there."""
    job, before = context.run({"a": context.serve("a")})
    api.terminate()

    assert api.state()["exit_code"] == 0
    api.start()
    wait_until(api.is_ready, 20, "the API to serve again")
    assert context.snapshot(job.job_id) == before
