"""A backlog that waits for its workers."""

import pytest

from tests.fakes.load_senses import wall_ms
from tests.fakes.virtual_loop import run_virtually, virtual_loop
from tests.load.drain import Drain, drain_of
from tests.load.tally import Tally
from tests.unit.load.conftest import LoadRun


def test_the_drain_is_timed_from_the_start_of_the_workers(run: LoadRun) -> None:
    """1000 tasks wait; 200 a second can be done."""
    run.senses.per_s = 200
    run.senses.stopped_until_s = 1e9
    started: list[float] = []

    async def start() -> None:
        started.append(wall_ms())
        run.senses.stopped_until_s = virtual_loop().now + 2

    runner = run.runner()
    runner.once_sent = start
    course = run_virtually(runner.run())
    drain = drain_of(course.tally, started[0], 2)
    assert (drain.tasks, drain.ended) == (1000, 1000)
    assert drain.first_s == pytest.approx(2, abs=0.01)
    assert drain.last_s == pytest.approx(7, abs=0.05)
    assert drain.per_s == pytest.approx(200, rel=0.01)
    assert "1000 ended 7.0 s after 2 workers started" in str(drain)


def test_the_queue_grows_while_no_worker_runs(run: LoadRun) -> None:
    run.senses.stopped_until_s = 1e9
    run.drain_s = 1
    course = run.course()
    assert [each.backlog for each in course.samples[:3]] == pytest.approx([100, 200, 300], abs=4)
    assert "none ended in time" in str(drain_of(course.tally, 0, 2))


def test_the_file_has_the_rate() -> None:
    drain = Drain(tasks=10, ended=10, first_s=1, last_s=3, workers=2)
    assert drain.to_json()["per_s"] == 5.0
    assert str(drain_of(Tally(late_s=1), 0, 1)).startswith("drain: 0 tasks")
