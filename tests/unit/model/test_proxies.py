"""Which tiers a chain of pools resolves to (contract 5.6)."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchbox.model.proxies import (
    PoolCycleError,
    ProxyPool,
    UnknownPoolError,
    pool_name,
    resolve_tiers,
)
from tests.factories import make_endpoint, make_pool, make_pools

POOLS = make_pools(
    make_pool("A", fallbacks=("B", "C")),
    make_pool("B", fallbacks=("D",)),
    make_pool("C"),
    make_pool("D"),
    make_pool("top", fallbacks=("left", "right")),
    make_pool("left", fallbacks=("bottom",)),
    make_pool("right", fallbacks=("pools/bottom",)),
    make_pool("bottom"),
    make_pool("prefixed", fallbacks=("proxies/C", "pools/D")),
)


@pytest.mark.parametrize(
    ("references", "order"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["C"], ["C"], id="one"),
        pytest.param(["A"], ["A", "B", "D", "C"], id="depth-first"),
        pytest.param(["C", "A"], ["C", "A", "B", "D"], id="first-place-wins"),
        pytest.param(["top"], ["top", "left", "bottom", "right"], id="diamond-once"),
        pytest.param(["pools/C", "proxies/D"], ["C", "D"], id="prefixes"),
        pytest.param(["prefixed"], ["prefixed", "C", "D"], id="prefixes-in-fallbacks"),
        pytest.param(["C", "C", "pools/C"], ["C"], id="repeated"),
    ],
)
def test_tiers_come_in_order(references: Sequence[str], order: Sequence[str]) -> None:
    tiers = resolve_tiers(POOLS, references)
    assert [tier[0].pool for tier in tiers] == order


def test_tier_holds_the_primaries_with_the_figures_of_their_pool() -> None:
    pool = make_pool(
        "p", "http://u:secret@one:1", "http://two:2", retry_backoff_ms=7, max_retries=5
    )

    ((one, two),) = resolve_tiers(make_pools(pool), ["p"])

    assert (one.uri, two.uri) == pool.primary
    assert (one.number, two.number) == (1, 2)
    assert (two.pool, two.retry_backoff_ms, two.max_retries) == ("p", 7, 5)


@pytest.mark.parametrize(
    ("pools", "path"),
    [
        pytest.param([make_pool("a", fallbacks=("a",))], "a -> a", id="itself"),
        pytest.param(
            [make_pool("a", fallbacks=("b",)), make_pool("b", fallbacks=("pools/a",))],
            "a -> b -> a",
            id="two",
        ),
        pytest.param(
            [
                make_pool("a", fallbacks=("b",)),
                make_pool("b", fallbacks=("c",)),
                make_pool("c", fallbacks=("b",)),
            ],
            "b -> c -> b",
            id="below-the-first",
        ),
    ],
)
def test_cycle_is_refused_and_its_path_shown(pools: Sequence[ProxyPool], path: str) -> None:
    with pytest.raises(PoolCycleError) as caught:
        resolve_tiers(make_pools(*pools), ["a"])
    assert str(caught.value).endswith(f": {path}")


@pytest.mark.parametrize("reference", ["nowhere", "dangling"])
def test_unknown_pool_is_refused_by_name(reference: str) -> None:
    pools = make_pools(make_pool("dangling", fallbacks=("nowhere",)))
    with pytest.raises(UnknownPoolError, match="'nowhere'"):
        resolve_tiers(pools, [reference])


@pytest.mark.parametrize(
    ("reference", "name"),
    [("x", "x"), ("pools/x", "x"), ("proxies/x", "x"), ("", ""), ("pool/x", "pool/x")],
)
def test_reference_loses_its_prefix(reference: str, name: str) -> None:
    assert pool_name(reference) == name


def test_label_names_the_endpoint_without_credentials() -> None:
    endpoint = make_endpoint("eu-primary", 2, uri="http://user:secret@host:1")
    assert endpoint.label == "proxies/eu-primary#2"


@st.composite
def acyclic_pools(draw: st.DrawFn) -> dict[str, ProxyPool]:
    """Pools whose fallbacks only ever name later ones."""
    names = [str(number) for number in range(draw(st.integers(1, 6)))]
    return {
        name: make_pool(
            name, fallbacks=tuple(draw(st.lists(st.sampled_from(names[at + 1 :]), max_size=4)))
        )
        if names[at + 1 :]
        else make_pool(name)
        for at, name in enumerate(names)
    }


@given(pools=acyclic_pools())
def test_every_reachable_pool_is_one_tier_after_a_pool_that_names_it(
    pools: dict[str, ProxyPool],
) -> None:
    order = [tier[0].pool for tier in resolve_tiers(pools, ["0"])]

    assert order[0] == "0"
    assert len(order) == len(set(order))
    for at, name in enumerate(order):
        assert set(pools[name].fallbacks) <= set(order)
        assert at == 0 or any(name in pools[earlier].fallbacks for earlier in order[:at])
