"""The back-off formula of contract 5.5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchbox.model.retry import backoff_ms


@pytest.mark.parametrize(
    ("base", "failed", "cap", "wait"),
    [
        pytest.param(1000, 1, 30_000, 1000, id="first"),
        pytest.param(1000, 2, 30_000, 2000, id="second"),
        pytest.param(1000, 3, 30_000, 4000, id="third"),
        pytest.param(200, 2, 5000, 400, id="ingest"),
        pytest.param(500, 7, 30_000, 30_000, id="capped"),
        pytest.param(5000, 1, 1000, 1000, id="cap-below-base"),
        pytest.param(0, 9, 1000, 0, id="none"),
        pytest.param(1, 1_000_000, 30_000, 30_000, id="any-number-of-attempts"),
    ],
)
def test_wait_doubles_up_to_the_cap(base: int, failed: int, cap: int, wait: int) -> None:
    assert backoff_ms(base, failed, cap) == wait


@given(base=st.integers(0, 10**6), failed=st.integers(1, 200), cap=st.integers(0, 10**6))
def test_wait_never_shrinks_and_never_passes_the_cap(base: int, failed: int, cap: int) -> None:
    wait = backoff_ms(base, failed, cap)
    assert wait <= backoff_ms(base, failed + 1, cap) <= cap
