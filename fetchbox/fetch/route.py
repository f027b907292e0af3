"""The way of one request: its hops from redirect to redirect, and its proxy. Pure.

What each hop may carry is decided here: which headers, whose credentials.
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn
from urllib.parse import urljoin

from multidict import CIMultiDict
from yarl import URL

from fetchbox.fetch.blocking import BlockedNetworks
from fetchbox.fetch.port import FetchError, FetchRequest
from fetchbox.model.failure import FailureCode, failure
from fetchbox.model.url_check import url_fault

MAX_REDIRECTS: Final = 10
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
#: Headers about one connection, ours to set.
_NOT_FORWARDED: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_CREDENTIALS: Final = ("authorization", "cookie")


@dataclass(frozen=True, slots=True)
class Hop:
    """One request to send. `url` has no userinfo; `number` counts the redirects before it."""

    url: URL
    headers: CIMultiDict[str]
    number: int = 0


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """A proxy URI taken apart; `authorization` is a header value or empty."""

    url: URL
    authorization: str

    def __repr__(self) -> str:
        """Show no credentials."""
        return f"ProxyAddress({self.url})"


class RoutePlanner:
    """Makes hops, and refuses those that may not be made."""

    def __init__(self, user_agent: str, blocked: BlockedNetworks) -> None:
        """`user_agent` is sent where the request names none."""
        self._own_headers = CIMultiDict(
            {"user-agent": user_agent, "accept": "*/*", "accept-encoding": "identity"}
        )
        self._blocked = blocked

    def first(self, request: FetchRequest) -> Hop:
        """Make the first hop; raises FetchError for a URL that may not be fetched."""
        headers = self._own_headers.copy()
        if request.headers:
            headers.update(_forwarded(request.headers))
        return _hop(self._checked(request.url, "the URL"), headers, 0)

    def following(self, hop: Hop, location: str) -> Hop:
        """Make the hop a redirect leads to; raises FetchError when it may not be made."""
        number = hop.number + 1
        if number > MAX_REDIRECTS:
            text = f"more than {MAX_REDIRECTS} redirects"
            raise FetchError(failure(FailureCode.DOWNLOAD_TOO_MANY_REDIRECTS, text))
        try:
            target = urljoin(str(hop.url), location.strip().replace(" ", "%20"))
        except ValueError:
            target = ""
        url = self._checked(target, "the URL a redirect leads to")
        headers = hop.headers.copy()
        if _origin(url) != _origin(hop.url):
            for name in _CREDENTIALS:
                headers.popall(name, None)
        return _hop(url, headers, number)

    def _checked(self, text: str, subject: str) -> URL:
        if fault := url_fault(text):
            _refuse(f"{subject} {fault}")
        try:
            # As given where it can be: an origin may tell %2F from / and A from %41.
            url = URL(text, encoded=text.isascii())
            host = url.host
        except ValueError:
            _refuse(f"{subject} has an invalid host or port")
        if not host:
            _refuse(f"{subject} must name a host")
        if self._blocked.blocks_host(host):
            _refuse(f"{subject} points into a blocked network (worker.blocked_networks): {host}")
        return url


def _origin(url: URL) -> tuple[str, str, int | None]:
    return url.scheme, (url.host or "").lower(), url.port


def _hop(url: URL, headers: CIMultiDict[str], number: int) -> Hop:
    """Turn userinfo into a header, unless the request brings its own."""
    if url.raw_user is not None or url.raw_password is not None:
        headers.setdefault("authorization", basic(url.user or "", url.password or ""))
        url = url.with_user(None)
    return Hop(url, headers, number)


@lru_cache(maxsize=1024)
def proxy_address(uri: str) -> ProxyAddress:
    """Take a proxy URI apart; raises ValueError (without the URI) when that cannot be done."""
    msg = "a proxy URI must look like http://[user:password@]host:port"
    try:
        url = URL(uri)
    except ValueError:
        raise ValueError(msg) from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(msg)
    has_user = url.raw_user is not None or url.raw_password is not None
    authorization = basic(url.user or "", url.password or "") if has_user else ""
    return ProxyAddress(url.origin(), authorization)


def basic(user: str, password: str) -> str:
    """Render the value of an Authorization header."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def _forwarded(given: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out the headers about one connection, and those that Connection names."""
    dropped: frozenset[str] | set[str] = _NOT_FORWARDED
    pairs = [(name.lower(), value) for name, value in given]
    for name, value in pairs:
        if name == "connection":
            dropped = dropped | {word.strip().lower() for word in value.split(",")}
    return [pair for pair in pairs if pair[0] not in dropped]


def _refuse(text: str) -> NoReturn:
    raise FetchError(failure(FailureCode.DOWNLOAD_INVALID_URL, text))
