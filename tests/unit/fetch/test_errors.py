"""Each error of a GET: its code, whose fault it is, and what is shown."""

import pytest
from multidict import CIMultiDict
from yarl import URL

from fetchbox.fetch import errors
from fetchbox.fetch.errors import GetError, fetch_error
from fetchbox.fetch.port import Side
from fetchbox.fetch.route import Hop, proxy_address
from fetchbox.model.failure import FailureCode

SECRET = "hunter2"
HOP = Hop(URL(f"https://origin.test/a?token={SECRET}"), CIMultiDict({"authorization": SECRET}))
PROXY = proxy_address(f"http://user:{SECRET}@proxy.test:3128")
NETWORK, DNS = FailureCode.DOWNLOAD_NETWORK_ERROR, FailureCode.DOWNLOAD_DNS_ERROR
TIMEOUT, INCOMPLETE = FailureCode.DOWNLOAD_TIMEOUT, FailureCode.DOWNLOAD_INCOMPLETE_BODY
INVALID = FailureCode.DOWNLOAD_INVALID_URL
CODES = {
    errors.BlockedAddressError: INVALID,
    errors.InvalidHostError: INVALID,
    errors.UnknownNameError: DNS,
    errors.UnreachableError: NETWORK,
    errors.UntrustedError: NETWORK,
    errors.TlsError: NETWORK,
    errors.RefusedTunnelError: NETWORK,
    errors.BrokenTunnelError: NETWORK,
    errors.RefusedCredentialsError: NETWORK,
    errors.ConnectTimeoutError: TIMEOUT,
    errors.SilentError: TIMEOUT,
    errors.OverdueError: TIMEOUT,
    errors.BrokenError: NETWORK,
    errors.MalformedError: NETWORK,
    errors.SilentBodyError: TIMEOUT,
    errors.OverdueBodyError: TIMEOUT,
    errors.IncompleteError: INCOMPLETE,
    errors.InvalidHeaderError: FailureCode.VALIDATION_INVALID_FIELD,
}


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_each_error_has_its_code(kind: type[GetError], code: FailureCode) -> None:
    assert fetch_error(kind(), HOP, None).failure.code == code


def test_no_error_is_without_a_code() -> None:
    assert set(CODES) == set(GetError.__subclasses__())


def test_each_error_has_its_own_message() -> None:
    messages = {fetch_error(kind(), HOP, None).failure.message for kind in CODES}

    assert len(messages) == len(CODES)


@pytest.mark.parametrize("is_proxys", [True, False])
def test_who_failed_is_named(*, is_proxys: bool) -> None:
    through = fetch_error(errors.UnreachableError("refused", is_proxys=is_proxys), HOP, PROXY)
    direct = fetch_error(errors.UnreachableError("refused", is_proxys=is_proxys), HOP, None)

    side, place = (Side.PROXY, "proxy.test:3128") if is_proxys else (Side.ORIGIN, "origin.test:443")
    assert (through.side, direct.side) == (side, Side.ORIGIN)
    assert through.failure.message == f"cannot connect to {place}: refused"
    assert direct.failure.message == "cannot connect to origin.test:443: refused"


def test_what_the_system_did_not_say_leaves_no_gap() -> None:
    message = fetch_error(errors.UnreachableError(), HOP, None).failure.message

    assert message == "cannot connect to origin.test:443"


@pytest.mark.parametrize("kind", CODES)
def test_no_message_shows_credentials_or_queries(kind: type[GetError]) -> None:
    for proxy in (None, PROXY):
        error = fetch_error(kind(is_proxys=True), HOP, proxy)

        assert SECRET not in f"{error} {error!r} {error.failure}"
