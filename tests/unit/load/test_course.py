"""A run from its first manifest to the end of its backlog."""

from itertools import pairwise

import pytest

from tests.unit.load.conftest import LoadRun


def test_everything_that_was_sent_ends(run: LoadRun) -> None:
    tally = run.course().tally
    assert (tally.planned, tally.answered, len(tally.jobs)) == (500, 500, 500)
    assert (tally.stored, tally.failed, tally.backlog) == (1000, 0, 0)
    assert tally.latencies.stored.percentile(50) == pytest.approx(0.195, abs=0.002)
    assert tally.latencies.fetched.percentile(99) == pytest.approx(0.02, rel=0.01)


def test_samples_come_once_a_second(run: LoadRun) -> None:
    course = run.course()
    assert [round(each.at_s) for each in course.samples][:10] == list(range(1, 11))
    assert course.samples == run.shown
    middle = course.samples[4]
    assert middle.sent_per_s == pytest.approx(50, abs=1)
    assert middle.ended_per_s == pytest.approx(100, abs=3)
    assert middle.api_cpu == pytest.approx(0.3, abs=0.01)
    assert middle.lag == pytest.approx(20, abs=3)


def test_looks_that_were_missed_are_not_made_up_for(run: LoadRun) -> None:
    run.senses.slow_look = (3, 3.5)
    times = [each.at_s for each in run.course().samples]
    assert min(after - before for before, after in pairwise(times)) > 0.45


def test_before_the_first_answer_there_is_no_latency(run: LoadRun) -> None:
    run.api.stall = (0, 2.5)
    first, *_, last = run.course().samples
    assert (first.accept_p50_ms, first.accept_p99_ms) == (None, None)
    assert last.accept_p50_ms is not None


def test_a_service_that_is_away_is_not_measured(run: LoadRun) -> None:
    run.senses.is_away = True
    run.drain_s = 3
    course = run.course()
    sample = course.samples[3]
    assert (sample.ended_per_s, sample.api_cpu, sample.lag) == (None, None, None)
    assert course.tally.backlog == 1000
    assert course.ended_s == pytest.approx(course.sent_s + 3, abs=0.2)


def test_samples_of_the_drain_are_no_samples_of_the_load(run: LoadRun) -> None:
    run.senses.stored_after_s = 5
    course = run.course()
    assert course.ended_s > 14
    assert max(each.at_s for each in course.sending) < 12
