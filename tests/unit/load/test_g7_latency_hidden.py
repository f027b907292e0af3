"""How many slots waited on the origin, by its own clock."""

import pytest

from tests.load.bench.g7_latency_hidden import (
    FAST_MS,
    SLOW_MS,
    Load,
    fast_times,
    mean_waiting,
    mixed_delays,
    waits_of,
)


def test_one_url_of_a_hundred_is_slow_and_the_order_is_always_the_same() -> None:
    delays = mixed_delays(1000)

    assert (delays.count(SLOW_MS), delays.count(FAST_MS)) == (10, 990)
    assert delays == mixed_delays(1000)
    assert delays[:10] != [SLOW_MS] * 10


def test_littles_bound_is_slots_by_mean_latency() -> None:
    assert Load(delays_ms=mixed_delays(1000), in_flight=512).little_per_s == pytest.approx(
        512 / 0.545
    )


@pytest.mark.parametrize(
    ("waits", "mean"),
    [
        pytest.param([(0, 1), (1, 1), (2, 1)], 1.0, id="one-slot-never-idle"),
        pytest.param([(0, 1), (2, 1)], 0.5, id="idle-half-the-time"),
        pytest.param([(0, 1), (0, 1), (1, 1), (1, 1), (2, 1)], 2.0, id="two-slots"),
        pytest.param([(0, 9), (0, 1), (1, 1), (2, 1)], 2.0, id="what-outlasts-the-list"),
    ],
)
def test_waiting_is_counted_until_the_last_request_begins(
    waits: list[tuple[float, float]], mean: float
) -> None:
    assert mean_waiting(waits) == mean


def test_a_request_is_told_by_its_delay_and_counts_as_often_as_it_came() -> None:
    asked = {"/b/4096/500/7": [1.0, 2.0], "/b/4096/5000/8": [3.0], "/b/4096/check": [9.0]}

    assert waits_of(asked) == [(1.0, 0.5), (2.0, 0.5), (3.0, 5.0)]


def test_fast_urls_are_told_by_their_objects() -> None:
    arrived = {
        "/bench-bucket/resources/default/j/500-1": [11.0],
        "/bench-bucket/resources/default/j/5000-2": [15.0],
        "/bench-bucket/manifests/default/j/metadata.json": [10.0],
    }

    assert fast_times(arrived, began=10.0) == [1.0]
