"""Every manifest and resource is counted once, under what has become of it."""

import pytest

from tests.load.plan import Order, Wanted
from tests.load.tally import Answer, Ended, FirstByte, Tally

ORDER = Order(number=0, at_s=2.5, is_proxied=False, wanted=[Wanted(size=1), Wanted(size=2)])


def ended(resource_id: str = "0", *, at_ms: int = 1_150, is_stored: bool = True) -> Ended:
    return Ended(
        job_id="j", resource_id=resource_id, at_ms=at_ms, is_stored=is_stored, duration_ms=30
    )


def accepted() -> Tally:
    tally = Tally(late_s=0.01)
    tally.arrived(ORDER, 1_000.0, 0.1, Answer(job_id="j"))
    return tally


def test_steps_are_timed_from_their_own_begin() -> None:
    tally = accepted()
    tally.began(FirstByte(number=0, resource_id="0", at_ms=1_125))
    tally.took(ended())
    tally.completed({"j": 1_400.0})
    times = {name: made.max / 1e3 for name, made in tally.latencies.all().items()}
    assert times == pytest.approx(
        {
            "accept": 100,
            "queued": 20,
            "first_byte": 25,
            "fetched": 30,
            "stored": 50,
            "completed": 300,
            "whole": 400,
        }
    )


@pytest.mark.parametrize("is_early", [False, True], ids=["after the answer", "before the answer"])
def test_only_the_first_of_the_first_bytes_counts(*, is_early: bool) -> None:
    """A worker may be faster than the answer, and a download may be repeated."""
    tally = Tally(late_s=0.01) if is_early else accepted()
    for at_ms in (1_050 if is_early else 1_150, 1_900):
        tally.began(FirstByte(number=0, resource_id="0", at_ms=at_ms))
    if is_early:
        tally.arrived(ORDER, 1_000.0, 0.1, Answer(job_id="j"))
    made = tally.latencies.first_byte
    assert (made.count, made.max) == (1, 0 if is_early else 50_000)


def test_an_end_told_twice_counts_once() -> None:
    tally = accepted()
    for each in (ended(), ended(), ended("1", is_stored=False)):
        tally.took(each)
    assert (tally.stored, tally.failed, tally.repeats, tally.backlog) == (1, 1, 1, 0)


def test_an_end_before_the_answer_waits_for_it() -> None:
    tally = Tally(late_s=0.01)
    tally.took(ended(at_ms=1_050))
    assert (tally.stored, tally.backlog) == (0, 0)
    tally.arrived(ORDER, 1_000.0, 0.1, Answer(job_id="j"))
    assert (tally.stored, tally.backlog) == (1, 1)
    assert tally.latencies.stored.max == 0  # never less than nothing


def test_latency_over_time_goes_by_the_planned_second() -> None:
    tally = accepted()
    assert {second: made.count for second, made in tally.by_second.items()} == {2: 1}


def test_what_never_left_is_known() -> None:
    tally = Tally(late_s=0.01, planned=3)
    tally.departed(0.02)
    tally.departed(0.001)
    assert (tally.unsent, tally.late, tally.open) == (1, 1, 2)
