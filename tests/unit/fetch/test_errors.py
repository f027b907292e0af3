"""Each exception of the client, by phase: its code, whose fault it is, and what is shown."""

import ssl
from collections.abc import Callable
from typing import cast

import pytest
from aiohttp import (
    ClientConnectionResetError,
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientHttpProxyError,
    ClientOSError,
    ClientPayloadError,
    ClientProxyConnectionError,
    ClientResponseError,
    ConnectionTimeoutError,
    InvalidUrlClientError,
    RequestInfo,
    ServerDisconnectedError,
    SocketTimeoutError,
)
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http_exceptions import TransferEncodingError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from fetchbox.fetch.connector import BlockedAddressError, BrokenError, ConnectError
from fetchbox.fetch.errors import (
    ANSWER_ERRORS,
    ANSWERING,
    BODY_ERRORS,
    CONNECTING,
    READING,
    answer_error,
    body_error,
)
from fetchbox.fetch.port import Side
from fetchbox.fetch.route import Hop, proxy_address
from fetchbox.model.failure import FailureCode

SECRET = "hunter2"
URL_ = URL(f"https://origin.test/a?token={SECRET}")
HOP = Hop(URL_, CIMultiDict())
PROXY = proxy_address(f"http://user:{SECRET}@proxy.test:3128")
NETWORK, DNS = FailureCode.DOWNLOAD_NETWORK_ERROR, FailureCode.DOWNLOAD_DNS_ERROR
TIMEOUT, INCOMPLETE = FailureCode.DOWNLOAD_TIMEOUT, FailureCode.DOWNLOAD_INCOMPLETE_BODY
INVALID = FailureCode.DOWNLOAD_INVALID_URL


def key(host: str = "origin.test", port: int = 443) -> ConnectionKey:
    return ConnectionKey(host, port, True, True, None, None, None)  # noqa: FBT003  # aiohttp's


AT_PROXY = key("proxy.test", 3128)
INFO = RequestInfo(URL_, "GET", CIMultiDictProxy(CIMultiDict({"authorization": SECRET})), URL_)
OS = OSError(111, "Connect call failed")
CERTIFICATE = ssl.SSLCertVerificationError(1, "self-signed")


@pytest.mark.parametrize(
    ("reason", "code", "side"),
    [
        (ClientConnectorError(key(), BlockedAddressError()), INVALID, Side.ORIGIN),
        (InvalidUrlClientError("127.1"), INVALID, Side.PROXY),
        (UnicodeError("label too long"), INVALID, Side.PROXY),
        (ClientConnectorDNSError(key(), OS), DNS, Side.ORIGIN),
        (ClientConnectorDNSError(AT_PROXY, OS), DNS, Side.PROXY),
        (ClientConnectorError(key(), OS), NETWORK, Side.ORIGIN),
        (ClientProxyConnectionError(AT_PROXY, OS), NETWORK, Side.PROXY),
        (ClientConnectorSSLError(key(), ssl.SSLError(1, "no")), NETWORK, Side.ORIGIN),
        (ClientConnectorSSLError(AT_PROXY, ssl.SSLError(1, "no")), NETWORK, Side.PROXY),
        (ClientConnectorCertificateError(key(), CERTIFICATE), NETWORK, Side.ORIGIN),
        (ClientConnectorCertificateError(AT_PROXY, CERTIFICATE), NETWORK, Side.PROXY),
        (ClientHttpProxyError(INFO, (), status=407), NETWORK, Side.PROXY),
        (ClientResponseError(INFO, (), status=400), NETWORK, Side.PROXY),
        (ServerDisconnectedError(), NETWORK, Side.PROXY),
        (ClientOSError(104, "reset"), NETWORK, Side.PROXY),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_failing_to_connect_through_a_proxy(
    reason: Exception, code: FailureCode, side: Side
) -> None:
    error = answer_error(ConnectError(reason), HOP, PROXY)
    direct = answer_error(ConnectError(reason), HOP, None)

    assert (error.failure.code, error.side) == (code, side)
    assert (direct.failure.code, direct.side) == (code, Side.ORIGIN)
    named = "proxy.test:3128" if side is Side.PROXY else "origin.test:443"
    assert named in error.failure.message


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (SocketTimeoutError(), TIMEOUT),
        (TimeoutError(), TIMEOUT),
        (BrokenError(), NETWORK),
        (InvalidUrlClientError("x"), INVALID),
        (ClientResponseError(INFO, (), status=400, message=SECRET), NETWORK),
        (ClientError(), NETWORK),
        (TransferEncodingError("x"), NETWORK),
        (OSError(), NETWORK),
        (ValueError(SECRET), FailureCode.VALIDATION_INVALID_FIELD),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_failing_while_waiting_for_the_answer_is_the_origins_fault(
    raised: Exception, code: FailureCode
) -> None:
    error = answer_error(raised, HOP, PROXY)

    assert (error.failure.code, error.side) == (code, Side.ORIGIN)


def test_connecting_too_slowly_is_the_fault_of_the_proxy_if_there_is_one() -> None:
    """Which of the two was slow, in CONNECT, cannot be told."""
    assert answer_error(ConnectionTimeoutError(), HOP, PROXY).side is Side.PROXY
    assert answer_error(ConnectionTimeoutError(), HOP, None).side is Side.ORIGIN


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (SocketTimeoutError(), TIMEOUT),
        (TimeoutError(), TIMEOUT),
        (ClientPayloadError(), INCOMPLETE),
        (TransferEncodingError("x"), INCOMPLETE),
        (ServerDisconnectedError(), INCOMPLETE),
        (ClientConnectionResetError(), INCOMPLETE),
        (ConnectionResetError(), INCOMPLETE),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_failing_in_the_body(raised: Exception, code: FailureCode) -> None:
    error = body_error(raised, HOP)

    assert (error.failure.code, error.side) == (code, Side.ORIGIN)


@pytest.mark.parametrize("table", [CONNECTING, ANSWERING, READING])
def test_no_row_is_hidden_by_one_before_it(
    table: tuple[tuple[type[Exception], object], ...],
) -> None:
    kinds = [kind for kind, _ in table]
    hidden = [
        (late.__name__, early.__name__)
        for place, late in enumerate(kinds)
        for early in kinds[:place]
        if issubclass(late, early)
    ]

    assert hidden == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConnectError(ClientHttpProxyError(INFO, (), status=407, message=SECRET)),
        lambda: ConnectError(ClientConnectorDNSError(AT_PROXY, OS)),
        lambda: ClientResponseError(INFO, (), status=400, message=SECRET),
        lambda: ValueError(SECRET),
        lambda: InvalidUrlClientError(f"http://{SECRET}"),
    ],
)
def test_no_message_shows_credentials_or_queries(make: Callable[[], Exception]) -> None:
    error = answer_error(make(), HOP, PROXY)

    assert SECRET not in f"{error} {error!r} {error.failure}"


def test_anything_else_is_a_bug_and_passes_through() -> None:
    for bug in (KeyError(), TypeError(), RuntimeError()):
        assert not isinstance(cast("Exception", bug), (*ANSWER_ERRORS, *BODY_ERRORS))
