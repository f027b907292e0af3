"""How text and times look."""

from datetime import UTC, datetime

import pytest

from fetchbox.api.auth import TOKEN_HEADER
from fetchbox.cli import http
from fetchbox.cli.render import age, plain

NOW = datetime(2025, 8, 19, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("2025-08-19T09:30:00.000Z", "now"),
        ("2025-08-19T09:29:59.000Z", "1s"),
        ("2025-08-19T09:29:00.000Z", "1m"),
        ("2025-08-19T08:29:00.000Z", "1h"),
        ("2025-08-10T08:29:00.000Z", "9d"),
        ("2025-08-19T10:30:00.000Z", "now"),
        ("yesterday", "?"),
    ],
)
def test_age_has_one_unit(since: str, expected: str) -> None:
    assert age(since, NOW) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("größe [bold]", "größe [bold]"),
        ("a\r\n\tb", "a   b"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\u202eevil", "\\u202eevil"),
    ],
)
def test_control_characters_are_shown(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_token_goes_where_the_api_looks() -> None:
    assert http.TOKEN_HEADER == TOKEN_HEADER
