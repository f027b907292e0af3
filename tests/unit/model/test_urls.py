"""What is shown of a URL: neither userinfo nor query (deviation 7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchbox.model.urls import mask_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        pytest.param("http://h/p/a.png", "http://h/p/a.png", id="nothing-to-hide"),
        pytest.param("http://h/p?token=s", "http://h/p?***", id="query"),
        pytest.param("http://u:s@h:1/p", "http://***@h:1/p", id="userinfo"),
        pytest.param("http://u:s@t@h/p", "http://***@h/p", id="at-sign-in-the-password"),
        pytest.param("http://u@h/p?a=s&b=s#s", "http://***@h/p?***", id="all"),
        pytest.param("http://h/@scope/p", "http://h/@scope/p", id="at-sign-in-the-path"),
        pytest.param("http://[u:s@h/p", "***", id="unreadable"),
        pytest.param("u:s@h/p", "***", id="userinfo-without-a-scheme"),
        pytest.param("", "", id="empty"),
    ],
)
def test_url_is_masked(url: str, shown: str) -> None:
    assert mask_url(url) == shown


SECRETS = st.text(st.sampled_from("xyzXYZ019%!$&'()*+,;=:@"), min_size=1).map("<{}>".format)


@given(user=SECRETS, password=SECRETS, query=SECRETS)
def test_no_secret_is_shown(user: str, password: str, query: str) -> None:
    shown = mask_url(f"https://{user}:{password}@host.test/path?key={query}")
    assert shown == "https://***@host.test/path?***"


@given(st.text())
def test_any_text_can_be_masked(url: str) -> None:
    assert "?" not in mask_url(url) or mask_url(url).endswith("?***")
