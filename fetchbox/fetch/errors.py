"""What each exception of the HTTP client means: its code of contract 5.4, and whose fault it is.

Messages are our own: the client's may show URLs, headers and credentials.
"""

from typing import Final, NamedTuple

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientResponseError,
    ClientSSLError,
    ConnectionTimeoutError,
    InvalidURL,
    SocketTimeoutError,
)
from aiohttp.http_exceptions import HttpProcessingError

from fetchbox.fetch.connector import BlockedAddressError, BrokenError, ConnectError
from fetchbox.fetch.port import FetchError, Side
from fetchbox.fetch.route import Hop, ProxyAddress
from fetchbox.model.failure import FailureCode, failure


class Verdict(NamedTuple):
    """Code and message of one kind of exception; `{place}` is host and port of who failed."""

    code: FailureCode
    text: str


#: What was raised, and what it means.
Table = tuple[tuple[type[Exception], Verdict], ...]

#: The first row whose type matches decides, so subclasses stand before their bases.
CONNECTING: Final[Table] = (
    (
        BlockedAddressError,
        Verdict(
            FailureCode.DOWNLOAD_INVALID_URL,
            "{place} is in a blocked network (worker.blocked_networks)",
        ),
    ),
    (InvalidURL, Verdict(FailureCode.DOWNLOAD_INVALID_URL, "the host of {place} is invalid")),
    (UnicodeError, Verdict(FailureCode.DOWNLOAD_INVALID_URL, "the host of {place} is invalid")),
    (
        ClientConnectorDNSError,
        Verdict(FailureCode.DOWNLOAD_DNS_ERROR, "the name of {place} cannot be resolved"),
    ),
    (
        ClientConnectorCertificateError,
        Verdict(FailureCode.DOWNLOAD_NETWORK_ERROR, "the certificate of {place} is not trusted"),
    ),
    (
        ClientSSLError,
        Verdict(FailureCode.DOWNLOAD_NETWORK_ERROR, "no TLS connection with {place}"),
    ),
    (
        ClientHttpProxyError,
        Verdict(FailureCode.DOWNLOAD_NETWORK_ERROR, "the proxy {place} refused CONNECT"),
    ),
    (
        ClientConnectorError,
        Verdict(FailureCode.DOWNLOAD_NETWORK_ERROR, "cannot connect to {place}"),
    ),
    (Exception, Verdict(FailureCode.DOWNLOAD_NETWORK_ERROR, "no connection through {place}")),
)

ANSWERING: Final[Table] = (
    (
        ConnectionTimeoutError,
        Verdict(
            FailureCode.DOWNLOAD_TIMEOUT,
            "no connection to {place} within worker.connect_timeout_ms",
        ),
    ),
    (
        SocketTimeoutError,
        Verdict(FailureCode.DOWNLOAD_TIMEOUT, "no answer of {place} within worker.read_timeout_ms"),
    ),
    (
        TimeoutError,
        Verdict(
            FailureCode.DOWNLOAD_TIMEOUT,
            "no answer of {place} within worker.download_timeout_ms",
        ),
    ),
    (
        BrokenError,
        Verdict(FailureCode.DOWNLOAD_NETWORK_ERROR, "{place} closed the connection unanswered"),
    ),
    (InvalidURL, Verdict(FailureCode.DOWNLOAD_INVALID_URL, "the URL is invalid")),
    (
        ClientResponseError,
        Verdict(FailureCode.DOWNLOAD_NETWORK_ERROR, "the answer of {place} is no valid HTTP"),
    ),
    *(
        (kind, Verdict(FailureCode.DOWNLOAD_NETWORK_ERROR, "the exchange with {place} failed"))
        for kind in (ClientError, HttpProcessingError, OSError)
    ),
    (
        ValueError,
        Verdict(
            FailureCode.VALIDATION_INVALID_FIELD,
            "a header cannot be sent: `headers` may hold no line breaks or NUL characters",
        ),
    ),
)

_SHORT: Final = Verdict(
    FailureCode.DOWNLOAD_INCOMPLETE_BODY, "the body from {place} ended early or is malformed"
)
READING: Final[Table] = (
    (
        TimeoutError,
        Verdict(
            FailureCode.DOWNLOAD_TIMEOUT,
            "no bytes from {place} within worker.read_timeout_ms, or not all of them"
            " within worker.download_timeout_ms",
        ),
    ),
    (ClientError, _SHORT),
    (HttpProcessingError, _SHORT),
    (OSError, _SHORT),
)

#: What the tables cover; anything else is a bug and passes through.
ANSWER_ERRORS: Final[tuple[type[Exception], ...]] = (ConnectError, *(kind for kind, _ in ANSWERING))
BODY_ERRORS: Final[tuple[type[Exception], ...]] = tuple(kind for kind, _ in READING)


def answer_error(error: Exception, hop: Hop, proxy: ProxyAddress | None) -> FetchError:
    """Translate what was raised before there was an answer."""
    if not isinstance(error, ConnectError):
        is_proxy = proxy is not None and isinstance(error, ConnectionTimeoutError)
        return _made(ANSWERING, error, hop, proxy if is_proxy else None)
    reason = error.reason
    if isinstance(reason, ClientConnectorError):
        blocked = reason.os_error
        if isinstance(blocked, BlockedAddressError):
            return _made(CONNECTING, blocked, hop, None)
    return _made(CONNECTING, reason, hop, _blamed(reason, proxy))


def body_error(error: Exception, hop: Hop) -> FetchError:
    """Translate what was raised while the body was read."""
    return _made(READING, error, hop, None)


def _blamed(reason: Exception, proxy: ProxyAddress | None) -> ProxyAddress | None:
    """Tell whether the proxy failed: an error that names a host names the one that failed."""
    if proxy is None:
        return None
    if isinstance(reason, ClientConnectorError | ClientConnectorCertificateError):
        return proxy if (reason.host, reason.port) == (proxy.url.host, proxy.url.port) else None
    return proxy


def _made(
    table: Table,
    error: Exception,
    hop: Hop,
    proxy: ProxyAddress | None,
) -> FetchError:
    verdict = next(verdict for kind, verdict in table if isinstance(error, kind))
    place = f"{proxy.url.host}:{proxy.url.port}" if proxy else f"{hop.url.host}:{hop.url.port}"
    text = verdict.text.format(place=place)
    if isinstance(error, ClientHttpProxyError):
        text = f"{text} with status {error.status}"
    elif isinstance(error, ClientConnectorError) and error.os_error.strerror:
        text = f"{text}: {error.os_error.strerror}"
    return FetchError(failure(verdict.code, text), Side.PROXY if proxy else Side.ORIGIN)
