"""From rounds to a verdict: the ratio, and when a target counts as met."""

import statistics
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.bench.score import Score, median_range

ratios = st.lists(st.floats(0.01, 10), min_size=1, max_size=9)


def score(low95: float, target: float) -> Score:
    return Score(
        goal="G1",
        workload="w",
        plane="N",
        ours=1.0,
        reference=2.0,
        ratio=0.9,
        low95=low95,
        target=target,
    )


def test_ratio_is_the_median_of_the_rounds() -> None:
    ratio, _, _ = median_range([0.9, 0.5, 0.6])

    assert ratio == 0.6


def test_one_round_has_no_width() -> None:
    assert median_range([0.7]) == (0.7, 0.7, 0.7)


def test_one_slow_round_of_five_lowers_the_bound_but_not_the_ratio() -> None:
    ratio, low95, _ = median_range([0.70, 0.71, 0.72, 0.73, 0.20])

    assert ratio == 0.71
    assert low95 < 0.71


def test_the_same_rounds_give_the_same_bound() -> None:
    rounds = [0.5, 0.6, 0.7, 0.8]

    assert median_range(rounds) == median_range(rounds)


@given(ratios)
def test_bound_lies_between_the_lowest_round_and_the_median(rounds: list[float]) -> None:
    ratio, low95, _ = median_range(rounds)

    assert ratio == statistics.median(rounds)
    assert min(rounds) <= low95 <= ratio


@pytest.mark.parametrize(
    ("low95", "is_met"),
    [
        pytest.param(0.61, True, id="above"),
        pytest.param(0.60, True, id="exactly"),
        pytest.param(0.59, False, id="below-though-the-median-is-above"),
    ],
)
def test_target_is_met_by_the_lower_bound(low95: float, *, is_met: bool) -> None:
    assert score(low95, target=0.60).met is is_met


def test_where_less_is_better_the_upper_bound_decides() -> None:
    latency = replace(score(low95=3.0, target=4.0), better="lower", high95=4.1)

    assert latency.met is False
    assert replace(latency, high95=4.0).met is True


def test_where_less_is_better_an_upper_bound_is_needed() -> None:
    with pytest.raises(ValueError, match="high95"):
        replace(score(low95=3.0, target=4.0), better="lower")


def test_score_without_a_target_is_not_judged() -> None:
    assert replace(score(low95=3.0, target=4.0), target=None).met is None


@given(ratios)
def test_both_bounds_hold_the_median_between_them(rounds: list[float]) -> None:
    ratio, low, high = median_range(rounds)

    assert min(rounds) <= low <= ratio <= high <= max(rounds)
