"""Times as operators see them (contract 2.2)."""

import pytest

from fetchbox.model.clock import rfc3339


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        pytest.param(0, "1970-01-01T00:00:00.000Z", id="epoch"),
        pytest.param(1_755_595_800_007, "2025-08-19T09:30:00.007Z", id="leading-zeros"),
        pytest.param(1_755_595_800_999, "2025-08-19T09:30:00.999Z", id="not-rounded-up"),
    ],
)
def test_time_is_utc_with_milliseconds(at_ms: int, text: str) -> None:
    assert rfc3339(at_ms) == text
