"""Percentiles are those of the values themselves, within half a percent."""

import json
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.histogram import BITS, PERCENTILES, Histogram, bucket_of, highest_in

MICROSECONDS = st.lists(st.integers(0, 10**9), min_size=1, max_size=200)


def histogram_of(values: list[int]) -> Histogram:
    made = Histogram()
    for value in values:
        made.record(value / 1e6)
    return made


@given(MICROSECONDS, st.sampled_from((*PERCENTILES, 1.0, 100.0)))
def test_percentile_is_the_exact_one_or_just_above(values: list[int], percent: float) -> None:
    rank = max(ceil(len(values) * Fraction(str(percent)) / 100), 1)
    exact = sorted(values)[rank - 1]

    found = round(histogram_of(values).percentile(percent) * 1e6)

    assert exact <= found <= exact * (1 + 2**-BITS)


@given(st.integers(0, 10**12))
def test_bucket_holds_its_value_and_ends_where_the_next_begins(value: int) -> None:
    bucket = bucket_of(value)
    assert value <= highest_in(bucket)
    assert bucket_of(highest_in(bucket)) == bucket
    assert bucket_of(highest_in(bucket) + 1) == bucket + 1


@given(MICROSECONDS, MICROSECONDS)
def test_merged_histograms_are_the_histogram_of_all(left: list[int], right: list[int]) -> None:
    merged = histogram_of(left)
    merged.merge(histogram_of(right))
    assert merged == histogram_of(left + right)


@given(MICROSECONDS)
def test_a_file_holds_all_of_it(values: list[int]) -> None:
    made = histogram_of(values)
    assert Histogram.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_buckets_of_another_width_are_refused() -> None:
    other = histogram_of([1]).to_json() | {"bits": 5}
    with pytest.raises(ValueError, match="5 bits"):
        Histogram.from_json(other)


def test_empty_histogram_has_no_latency() -> None:
    assert Histogram().summary()["p99_ms"] == 0


def test_summary_is_in_milliseconds() -> None:
    made = histogram_of([1_000, 2_000, 4_000, 1_000_000])
    shown = made.summary()
    assert (shown["count"], shown["max_ms"]) == (4, 1000)
    assert shown["mean_ms"] == 251.75
    assert shown["p50_ms"] == pytest.approx(2, rel=0.004)


def test_a_clock_that_went_back_counts_as_zero() -> None:
    made = Histogram()
    made.record(-0.5)
    assert (made.count, made.max) == (1, 0)


def test_distribution_is_as_hdrhistogram_writes_it() -> None:
    rows = histogram_of([1000, 1000, 2000, 250_000]).to_hgrm().splitlines()

    assert rows[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert [row.split() for row in rows[2:5]] == [
        ["1.001", "0.500000000000", "2", "2.00"],
        ["2.003", "0.750000000000", "3", "4.00"],
        ["250.000", "1.000000000000", "4"],
    ]
    assert rows[-1] == "#[Max     =      250.000, Total count    =            4]"
