"""How partitions are divided: by rows of cases, and by what must hold of any group."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchbox.broker.shares import fair_share


@pytest.mark.parametrize(
    ("held", "partitions", "shares"),
    [
        pytest.param({"a": 0}, 8, {"a": 8}, id="alone"),
        pytest.param({"a": 8, "b": 0}, 8, {"a": 4, "b": 4}, id="even"),
        pytest.param({"a": 0, "b": 8, "c": 0}, 8, {"b": 3, "a": 3, "c": 2}, id="odd-to-holder"),
        pytest.param({"a": 2, "b": 3, "c": 3}, 8, {"a": 2, "b": 3, "c": 3}, id="stays-put"),
        pytest.param({"a": 0, "b": 1, "c": 0}, 2, {"a": 1, "b": 1, "c": 0}, id="too-many-members"),
    ],
)
def test_fair_share(held: Mapping[str, int], partitions: int, shares: Mapping[str, int]) -> None:
    assert {name: fair_share(name, held, partitions) for name in held} == shares


@given(
    held=st.dictionaries(st.text("abcdef", min_size=1), st.integers(0, 9), min_size=1, max_size=9),
    partitions=st.integers(0, 32),
)
def test_shares_are_even_and_cover_everything(held: Mapping[str, int], partitions: int) -> None:
    shares = [fair_share(name, held, partitions) for name in held]

    assert sum(shares) == partitions
    assert max(shares) - min(shares) <= 1
