"""The open model: the schedule rules, and latency begins where it says."""

import asyncio

import pytest

from tests.fakes.load_api import FakeLoadApi
from tests.fakes.virtual_loop import run_virtually, virtual_loop
from tests.load.plan import Workload, stages_of
from tests.load.sender import LEAD_S, Sender, feel_lag
from tests.load.tally import Tally

WALL_MS = 1_700_000_000_000.0


def send(api: FakeLoadApi, stages: str) -> Tally:
    load = Workload(stages=stages_of(stages, 1, 1), resources=2, sizes=[(10, 1)])
    tally = Tally(late_s=0.01)
    sender = Sender(api=api, tally=tally, now_ms=lambda: WALL_MS)
    run_virtually(sender.send(load.orders()))
    return tally


def test_orders_leave_when_they_are_due() -> None:
    api = FakeLoadApi()
    tally = send(api, "4x1")
    left = [at_s - LEAD_S for at_s, _ in api.seen]
    assert left == pytest.approx([0, 0.25, 0.5, 0.75])
    assert (tally.planned, tally.sent, tally.late, tally.open) == (4, 4, 0, 0)


def test_slow_answers_hold_nothing_up() -> None:
    api = FakeLoadApi(answers_after_s=30)
    tally = send(api, "10x1")
    assert max(at_s for at_s, _ in api.seen) < 1 + LEAD_S
    assert (tally.late, tally.answered) == (0, 10)


def test_a_stall_of_one_second_shows_in_p99() -> None:
    """A generator that waits for answers would have met the stall once in five hundred."""
    tally = send(FakeLoadApi(stall=(3, 4)), "50x10")
    accept = tally.latencies.accept
    assert accept.count == 500
    assert accept.percentile(50) == pytest.approx(0.005, rel=0.01)
    assert accept.percentile(99) > 0.85
    assert accept.percentile(100) == pytest.approx(1.005, abs=0.02)


def test_a_late_send_counts_from_its_planned_instant() -> None:
    """Each submission keeps the generator for 30 ms, where 20 ms are planned."""
    tally = send(FakeLoadApi(work_s=0.03), "50x2")
    assert tally.sent == tally.planned == 100
    assert tally.late > 90
    assert tally.latencies.accept.percentile(100) > 0.9


def test_refused_manifests_are_counted_by_reason() -> None:
    tally = send(FakeLoadApi(problems=["503 QUEUE_UNAVAILABLE", "timeout"]), "10x1")
    assert tally.problems == {"503 QUEUE_UNAVAILABLE": 1, "timeout": 1}
    assert (tally.answered, len(tally.jobs), tally.latencies.accept.count) == (10, 8, 10)


def test_accepted_jobs_know_their_times() -> None:
    tally = send(FakeLoadApi(), "10x1")
    job = tally.jobs["job-5"]
    assert job.planned_ms - WALL_MS == pytest.approx((LEAD_S + 0.5) * 1e3)
    assert job.accepted_ms - job.planned_ms == pytest.approx(5)


def test_lag_of_the_loop_is_felt() -> None:
    tally = Tally(late_s=0.01)

    async def hog() -> None:
        async with asyncio.TaskGroup() as group:
            feeling = group.create_task(feel_lag(tally))
            for _ in range(20):
                await asyncio.sleep(0.1)
                virtual_loop().work(0.05)
            feeling.cancel()

    run_virtually(hog())
    assert 0.03 < tally.loop_lag.percentile(99) <= 0.05
    assert tally.loop_lag.percentile(50) < 0.001
