"""What is a URL that can be fetched (contract 1.3)."""

import pytest

from fetchbox.model.url_check import url_fault


@pytest.mark.parametrize(
    "good",
    [
        "http://a",
        "https://a.example/x?y=1#z",
        "HTTP://A/",
        "http://a:8080/",
        "http://a:45555/",
        "http://a:65535/",
        "http://u:p@a/",
        "http://[::1]:80/x",
        "http://127.0.0.1/",
        "http://bücher.example/ü",
        "http://a?x",
        "http://a/%20",
    ],
)
def test_url_is_accepted(good: str) -> None:
    assert url_fault(good) is None


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        pytest.param("", "absolute", id="empty"),
        pytest.param("/x", "absolute", id="relative"),
        pytest.param("//a/x", "absolute", id="no-scheme"),
        pytest.param("a.example/x", "absolute", id="only-a-host"),
        pytest.param("ftp://a/x", "absolute", id="ftp"),
        pytest.param("file:///etc/passwd", "absolute", id="file"),
        pytest.param("httpx://a/", "absolute", id="nearly-http"),
        pytest.param("http://", "host", id="no-host"),
        pytest.param("http:///x", "host", id="empty-host"),
        pytest.param("http://:80/", "host", id="only-a-port"),
        pytest.param("http://u@/", "host", id="only-userinfo"),
        pytest.param("http:a/", "host", id="no-slashes"),
        pytest.param("http://a:65536/", "invalid host or port", id="port-too-large"),
        pytest.param("http://a:99999/", "invalid host or port", id="port-far-too-large"),
        pytest.param("http://a:x/", "invalid host or port", id="port-no-number"),
        pytest.param("http://[::1/", "invalid host or port", id="open-bracket"),
        pytest.param("http://a/ b", "blanks", id="blank"),
        pytest.param(" http://a/", "blanks", id="blank-before"),
        pytest.param("http://a/\r\nX: y", "blanks", id="line-break"),
        pytest.param("http://a/\n", "blanks", id="line-break-at-the-end"),
        pytest.param("http://a/\udcff", "blanks", id="lone-surrogate"),
    ],
)
def test_url_is_refused(bad: str, fault: str) -> None:
    assert fault in (url_fault(bad) or "")


def test_fault_does_not_show_the_url() -> None:
    assert "secret" not in (url_fault("ftp://u:secret@a/") or "secret")
