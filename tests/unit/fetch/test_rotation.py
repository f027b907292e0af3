"""Tier order never changes; an order only says where a tier begins (contract 5.7 rule 1)."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from

from fetchbox.fetch.rotation import FailoverOrder, Rotation
from fetchbox.model.proxies import Endpoint, Tier


def make_tiers(sizes: Sequence[int]) -> list[Tier]:
    return [
        tuple(
            Endpoint(
                pool=f"pool-{place}",
                number=number,
                uri=f"http://{place}-{number}:1",
                retry_backoff_ms=1,
                max_retries=3,
            )
            for number in range(1, size + 1)
        )
        for place, size in enumerate(sizes)
    ]


def labels(endpoints: Sequence[Endpoint]) -> list[str]:
    return [f"{endpoint.pool[-1]}{endpoint.number}" for endpoint in endpoints]


SIZES = lists(integers(1, 4), max_size=4)
ORDERS = sampled_from(FailoverOrder)


@given(SIZES, ORDERS, integers(1, 6))
def test_every_endpoint_is_tried_once_and_tier_by_tier(
    sizes: list[int], order: FailoverOrder, turns: int
) -> None:
    tiers, rotation = make_tiers(sizes), Rotation(order)
    for _ in range(turns):
        arranged = rotation.arrange(tiers)

        start = 0
        for tier in tiers:
            assert set(arranged[start : start + len(tier)]) == set(tier)
            start += len(tier)
        assert len(arranged) == start


def test_sequential_always_begins_with_the_first() -> None:
    rotation = Rotation(FailoverOrder.SEQUENTIAL)

    assert [labels(rotation.arrange(make_tiers([2, 1]))) for _ in range(2)] == [
        ["01", "02", "11"],
        ["01", "02", "11"],
    ]


def test_round_robin_turns_the_first_tier_only() -> None:
    rotation = Rotation(FailoverOrder.ROUND_ROBIN)

    assert [labels(rotation.arrange(make_tiers([3, 2]))) for _ in range(4)] == [
        ["01", "02", "03", "11", "12"],
        ["02", "03", "01", "11", "12"],
        ["03", "01", "02", "11", "12"],
        ["01", "02", "03", "11", "12"],
    ]


def test_round_robin_counts_per_pool() -> None:
    rotation = Rotation(FailoverOrder.ROUND_ROBIN)
    first, second = make_tiers([2, 2])

    rotation.arrange([first])

    assert labels(rotation.arrange([second])) == ["11", "12"]
    assert labels(rotation.arrange([first])) == ["02", "01"]


@pytest.mark.parametrize("seed", [1, 7])
def test_random_is_repeatable_by_seed_and_does_vary(seed: int) -> None:
    tiers = make_tiers([4])
    one, two = (Rotation(FailoverOrder.RANDOM, seed=seed) for _ in range(2))
    runs = [labels(one.arrange(tiers)) for _ in range(10)]

    assert runs == [labels(two.arrange(tiers)) for _ in range(10)]
    assert len({tuple(run) for run in runs}) > 1


@pytest.mark.parametrize("order", FailoverOrder)
def test_no_tiers_mean_no_endpoints(order: FailoverOrder) -> None:
    assert Rotation(order).arrange(()) == ()
