"""What can go wrong in one GET, what each means in contract 5.4, and whose fault it is.

Messages are our own: they show host and port, never a URL's query, a header or credentials.
"""

from typing import ClassVar

from fetchbox.fetch.port import FetchError, Side
from fetchbox.fetch.route import Hop, ProxyAddress
from fetchbox.model.failure import FailureCode, failure


class Fault(Exception):
    """A GET failed; the class says how. `{place}` is host and port of who failed.

    Attributes:
        detail: what the system said, without names.
        is_proxys: whether the proxy failed; else the origin did.

    """

    code: ClassVar[FailureCode] = FailureCode.DOWNLOAD_NETWORK_ERROR
    text: ClassVar[str]

    def __init__(self, detail: str = "", *, is_proxys: bool = False) -> None:
        """Say no more than what may be shown."""
        super().__init__(detail)
        self.detail = detail
        self.is_proxys = is_proxys


class BlockedAddressError(Fault):
    """Every address of the name is blocked."""

    code = FailureCode.DOWNLOAD_INVALID_URL
    text = "{place} is in a blocked network (worker.blocked_networks)"


class InvalidHostError(Fault):
    """The host is no name that could be looked up."""

    code = FailureCode.DOWNLOAD_INVALID_URL
    text = "the host of {place} is invalid"


class UnknownNameError(Fault):
    """The name has no address."""

    code = FailureCode.DOWNLOAD_DNS_ERROR
    text = "the name of {place} cannot be resolved"


class UnreachableError(Fault):
    """No connection to any address."""

    text = "cannot connect to {place}"


class UntrustedError(Fault):
    """The certificate is not of whom we wanted to reach."""

    text = "the certificate of {place} is not trusted"


class TlsError(Fault):
    """The other side speaks no TLS that we do."""

    text = "no TLS connection with {place}"


class RefusedTunnelError(Fault):
    """The proxy answered CONNECT with another status."""

    text = "the proxy {place} refused CONNECT"


class BrokenTunnelError(Fault):
    """The proxy did not answer CONNECT, or not in HTTP."""

    text = "no connection through {place}"


class RefusedCredentialsError(Fault):
    """The proxy answered a plain request with 407."""

    text = "the proxy demands other credentials (407): check the pool's URI"


class ConnectTimeoutError(Fault):
    """No connection in time."""

    code = FailureCode.DOWNLOAD_TIMEOUT
    text = "no connection to {place} within worker.connect_timeout_ms"


class SilentError(Fault):
    """No byte of an answer in time."""

    code = FailureCode.DOWNLOAD_TIMEOUT
    text = "no answer of {place} within worker.read_timeout_ms"


class OverdueError(Fault):
    """The whole time was over before there was an answer."""

    code = FailureCode.DOWNLOAD_TIMEOUT
    text = "no answer of {place} within worker.download_timeout_ms"


class BrokenError(Fault):
    """The connection ended after the request was sent, before the answer."""

    text = "{place} closed the connection unanswered"


class MalformedError(Fault):
    """What came is no HTTP."""

    text = "the answer of {place} is no valid HTTP"


class SilentBodyError(Fault):
    """No further byte of the body in time."""

    code = FailureCode.DOWNLOAD_TIMEOUT
    text = "no bytes from {place} within worker.read_timeout_ms"


class OverdueBodyError(Fault):
    """The whole time was over before the body was there."""

    code = FailureCode.DOWNLOAD_TIMEOUT
    text = "not all bytes from {place} within worker.download_timeout_ms"


class IncompleteError(Fault):
    """The body ended early, or its framing is broken."""

    code = FailureCode.DOWNLOAD_INCOMPLETE_BODY
    text = "the body from {place} ended early or is malformed"


class InvalidHeaderError(Fault):
    """The request holds what cannot be sent."""

    code = FailureCode.VALIDATION_INVALID_FIELD
    text = "a header cannot be sent: `headers` may hold no line breaks or NUL characters"


def fetch_error(fault: Fault, hop: Hop, proxy: ProxyAddress | None) -> FetchError:
    """Say what a fault means to who asked for the hop."""
    is_proxys = fault.is_proxys and proxy is not None
    url = proxy.url if is_proxys and proxy else hop.url
    text = fault.text.format(place=f"{url.host}:{url.port}")
    if fault.detail:
        text = f"{text}{fault.detail}"
    return FetchError(failure(fault.code, text), Side.PROXY if is_proxys else Side.ORIGIN)
