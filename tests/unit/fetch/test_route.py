"""What each hop of a request may be, and may carry."""

import pytest
from hypothesis import given
from hypothesis.strategies import lists, sampled_from, text, tuples

from fetchbox.fetch.blocking import BlockedNetworks
from fetchbox.fetch.port import FetchError, FetchRequest
from fetchbox.fetch.route import MAX_REDIRECTS, Hop, RoutePlanner, proxy_address
from fetchbox.model.failure import FailureCode

PLANNER = RoutePlanner("FetchBox/test", BlockedNetworks(("169.254.0.0/16",)))
SECRETS = (("authorization", "Bearer x"), ("cookie", "a=b"))
OWN = {"user-agent": "FetchBox/test", "accept": "*/*", "accept-encoding": "identity"}


def first(url: str = "http://origin.test/a/b?q=1", *headers: tuple[str, str]) -> Hop:
    return PLANNER.first(FetchRequest(url=url, headers=headers))


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("http://origin.test/x", "http://origin.test/x"),
        ("/x?y=%2F", "http://origin.test/x?y=%2F"),
        ("x", "http://origin.test/a/x"),
        ("../x", "http://origin.test/x"),
        ("?q=2", "http://origin.test/a/b?q=2"),
        ("//other.test/x", "http://other.test/x"),
        ("HTTPS://other.test", "https://other.test"),
        (" /with space ", "http://origin.test/with%20space"),
        ("/ü", "http://origin.test/%C3%BC"),
    ],
)
def test_location_is_resolved_against_the_hop(location: str, target: str) -> None:
    assert str(PLANNER.following(first(), location).url).lower() == target.lower()


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "ftp://origin.test/",
        "http://:80/",
        "http://[bad/",
        "http://origin.test:99999/",
        "/line\nbreak\x00",
        "http://169.254.169.254/latest",
        "http://0xa9fea9fe/latest",
        "//[::ffff:169.254.169.254]/latest",
    ],
)
def test_redirect_that_may_not_be_followed_is_an_invalid_url(location: str) -> None:
    with pytest.raises(FetchError) as caught:
        PLANNER.following(first(), location)

    assert caught.value.failure.code == FailureCode.DOWNLOAD_INVALID_URL


@pytest.mark.parametrize(
    ("location", "is_kept"),
    [
        pytest.param("/x", True, id="same origin"),
        pytest.param("http://origin.test:80/x", True, id="default port written out"),
        pytest.param("http://ORIGIN.test/x", True, id="case of the host"),
        pytest.param("http://sub.origin.test/x", False, id="other host"),
        pytest.param("http://origin.test:81/x", False, id="other port"),
        pytest.param("https://origin.test/x", False, id="other scheme"),
    ],
)
def test_credentials_are_kept_on_the_same_origin_only(location: str, *, is_kept: bool) -> None:
    begun = first("http://origin.test/", *SECRETS, ("x-other", "1"))

    headers = PLANNER.following(begun, location).headers

    assert headers["x-other"] == "1"
    assert ("authorization" in headers, "cookie" in headers) == (is_kept, is_kept)


def test_dropped_credentials_do_not_come_back() -> None:
    away = PLANNER.following(first("http://origin.test/", *SECRETS), "http://other.test/")

    back = PLANNER.following(away, "http://origin.test/")

    assert "authorization" not in back.headers


def test_the_eleventh_redirect_is_one_too_many() -> None:
    hop = first()
    for _ in range(MAX_REDIRECTS):
        hop = PLANNER.following(hop, "/x")

    with pytest.raises(FetchError) as caught:
        PLANNER.following(hop, "/x")

    assert hop.number == MAX_REDIRECTS
    assert caught.value.failure.code == FailureCode.DOWNLOAD_TOO_MANY_REDIRECTS


CONNECTION_HEADERS = (
    "Host",
    "Content-Length",
    "Connection",
    "TE",
    "Transfer-Encoding",
    "Upgrade",
    "Expect",
    "Keep-Alive",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Proxy-Authenticate",
    "Trailer",
)


@pytest.mark.parametrize("name", CONNECTION_HEADERS)
def test_headers_about_the_connection_are_dropped(name: str) -> None:
    assert dict(first("http://origin.test/", (name, "x")).headers) == OWN


def test_headers_that_connection_names_are_dropped() -> None:
    hop = first("http://origin.test/", ("connection", "close, X-Hop"), ("x-hop", "1"), ("x-a", "2"))

    assert dict(hop.headers) == {**OWN, "x-a": "2"}


HEADERS = tuples(
    sampled_from(["Host", "host", "Connection", "X-A", "x-b", "User-Agent", "TE", "accept"]),
    text("ab, -", max_size=6),
)


@given(lists(HEADERS, max_size=8))
def test_no_header_reaches_the_origin_that_is_ours_to_set(given_: list[tuple[str, str]]) -> None:
    headers = first("http://origin.test/", *given_).headers

    assert {"host", "connection", "te"}.isdisjoint(name.lower() for name in headers)
    assert {"user-agent", "accept", "accept-encoding"} <= {name.lower() for name in headers}


@pytest.mark.parametrize(
    ("given_", "sent"),
    [
        pytest.param((), "Basic dXNlcjpwOnc=", id="from the URL"),
        pytest.param((("Authorization", "Own"),), "Own", id="an own header wins"),
    ],
)
def test_userinfo_becomes_a_header(given_: tuple[tuple[str, str], ...], sent: str) -> None:
    hop = first("http://user:p%3Aw@origin.test/x", *given_)

    assert hop.headers["authorization"] == sent
    assert str(hop.url) == "http://origin.test/x"


@pytest.mark.parametrize(
    ("uri", "url", "authorization"),
    [
        ("http://proxy:3128", "http://proxy:3128", ""),
        ("http://user:pw@proxy:3128/ignored", "http://proxy:3128", "Basic dXNlcjpwdw=="),
        ("https://user@proxy", "https://proxy", "Basic dXNlcjo="),
    ],
)
def test_proxy_uri_is_taken_apart(uri: str, url: str, authorization: str) -> None:
    address = proxy_address(uri)

    assert (str(address.url), address.authorization) == (url, authorization)
    assert "dXNl" not in repr(address)


@pytest.mark.parametrize(
    "uri", ["socks5://u:hunter2@h:1", "http://u:hunter2@", "u:hunter2@h:99999"]
)
def test_unusable_proxy_uri_is_refused_without_showing_it(uri: str) -> None:
    with pytest.raises(ValueError, match="must look like") as caught:
        proxy_address(uri)

    assert "hunter2" not in str(caught.value)
