"""What can go wrong in one GET, what each means in contract 5.4, and whose fault it is.

Messages are our own: they show host and port, never a URL's query, a header or credentials.
"""

from typing import ClassVar

from fetchbox.fetch.port import FetchError, Side
from fetchbox.fetch.route import Hop, ProxyAddress
from fetchbox.model.failure import FailureCode, failure


class GetError(Exception):
    """A GET failed; the class says how. In its text `{place}` is host and port of who failed.

    Attributes:
        detail: what the system said; it names nobody.
        is_proxys: whether the proxy failed; else the origin did.

    """

    code: ClassVar[FailureCode] = FailureCode.DOWNLOAD_NETWORK_ERROR
    text: ClassVar[str]

    def __init__(self, detail: str = "", *, is_proxys: bool = False) -> None:
        """Say no more than what may be shown."""
        super().__init__(detail)
        self.detail = detail
        self.is_proxys = is_proxys


class BlockedAddressError(GetError):
    """Every address of the name is blocked."""

    code = FailureCode.DOWNLOAD_INVALID_URL
    text = "{place} is in a blocked network (worker.blocked_networks)"


class InvalidHostError(GetError):
    """The host is no name that could be looked up."""

    code = FailureCode.DOWNLOAD_INVALID_URL
    text = "the host of {place} is invalid"


class UnknownNameError(GetError):
    """The name has no address."""

    code = FailureCode.DOWNLOAD_DNS_ERROR
    text = "the name of {place} cannot be resolved: {detail}"


class UnreachableError(GetError):
    """No connection to any address."""

    text = "cannot connect to {place}: {detail}"


class UntrustedError(GetError):
    """The certificate is not of whom we wanted to reach."""

    text = "the certificate of {place} is not trusted"


class TlsError(GetError):
    """The other side speaks no TLS that we do."""

    text = "no TLS connection with {place}"


class RefusedTunnelError(GetError):
    """The proxy answered CONNECT with another status."""

    text = "the proxy {place} refused CONNECT with status {detail}"


class BrokenTunnelError(GetError):
    """The proxy did not answer CONNECT, or not in HTTP."""

    text = "no connection through {place}"


class RefusedCredentialsError(GetError):
    """The proxy answered a plain request with 407."""

    text = "the proxy demands other credentials (407): check the pool's URI"


class ConnectTimeoutError(GetError):
    """No connection in time."""

    code = FailureCode.DOWNLOAD_TIMEOUT
    text = "no connection to {place} within worker.connect_timeout_ms"


class SilentError(GetError):
    """No byte of an answer in time."""

    code = FailureCode.DOWNLOAD_TIMEOUT
    text = "no answer of {place} within worker.read_timeout_ms"


class OverdueError(GetError):
    """The whole time was over before there was an answer."""

    code = FailureCode.DOWNLOAD_TIMEOUT
    text = "no answer of {place} within worker.download_timeout_ms"


class BrokenError(GetError):
    """The connection ended after the request was sent, before the answer."""

    text = "{place} closed the connection unanswered"


class MalformedError(GetError):
    """What came is no HTTP."""

    text = "the answer of {place} is no valid HTTP"


class SilentBodyError(GetError):
    """No further byte of the body in time."""

    code = FailureCode.DOWNLOAD_TIMEOUT
    text = "no bytes from {place} within worker.read_timeout_ms"


class OverdueBodyError(GetError):
    """The whole time was over before the body was there."""

    code = FailureCode.DOWNLOAD_TIMEOUT
    text = "not all bytes from {place} within worker.download_timeout_ms"


class IncompleteError(GetError):
    """The body ended early, or its framing is broken."""

    code = FailureCode.DOWNLOAD_INCOMPLETE_BODY
    text = "the body from {place} ended early or is malformed"


class InvalidHeaderError(GetError):
    """The request holds what cannot be sent."""

    code = FailureCode.VALIDATION_INVALID_FIELD
    text = "a header cannot be sent: `headers` may hold no line breaks or NUL characters"


def fetch_error(error: GetError, hop: Hop, proxy: ProxyAddress | None) -> FetchError:
    """Say what an error means to who asked for the hop."""
    is_proxys = error.is_proxys and proxy is not None
    url = proxy.url if is_proxys and proxy else hop.url
    text = error.text.format(place=f"{url.host}:{url.port}", detail=error.detail)
    return FetchError(
        failure(error.code, text.removesuffix(": ")), Side.PROXY if is_proxys else Side.ORIGIN
    )
