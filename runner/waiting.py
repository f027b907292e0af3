"""The only place that waits: for a condition, or for a protocol to be answered.

Every wait has its own deadline and fails with what was seen last, never with "timed out".
Standard library only.
"""

import http.client
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

#: The first pause between two looks, and the longest; each is half as long again as the one before.
FIRST_PAUSE_S: Final = 0.02
LONGEST_PAUSE_S: Final = 0.25
#: How long one look at a protocol may take.
LOOK_S: Final = 2.0
#: Says of a wait that it ended because what it waited for had become impossible.
GAVE_UP: Final = "gave up after"
#: How much of a state is shown.
SHOWN_CHARS: Final = 4_000


class NotYetError(Exception):
    """Raised by a check that has to say more than its value does: what it saw instead."""


class WaitFailedError(AssertionError):
    """What was waited for did not come about; the text says what was there instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The outcome of one look."""

    value: object = None
    error: Exception | None = None

    def __str__(self) -> str:
        shown = f"{type(self.error).__name__}: {self.error}" if self.error else repr(self.value)
        cut = len(shown) - SHOWN_CHARS
        return shown if cut <= 0 else f"{shown[:SHOWN_CHARS]}... ({cut} more characters)"


def wait_until(
    check: Callable[[], T],
    within_s: float,
    why: str,
    *,
    until: Callable[[T], object] = bool,
    hopeless: Callable[[], str | None] = lambda: None,
) -> T:
    """Call `check` until its value satisfies `until`, and return that value.

    Not there yet, and looked at again: a value `until` refuses, NotYetError, AssertionError, and
    OSError (requests' errors are OSErrors). Any other exception is a bug and gets out at once. When
    `hopeless` gives a reason, the waiting ends there.
    """
    started = time.monotonic()
    pause_s, looks = FIRST_PAUSE_S, 0
    while True:
        seen = _look(check)
        looks += 1
        if seen.error is None and until(seen.value):  # type: ignore[arg-type]  # is a T by now
            return seen.value  # type: ignore[return-value]
        waited_s = time.monotonic() - started
        if reason := hopeless():
            message = f"{why}: {GAVE_UP} {waited_s:.1f} s: {reason}; last seen: {seen}"
            raise WaitFailedError(message) from seen.error
        if waited_s >= within_s:
            message = f"{why}: not within {within_s:g} s ({looks} looks); last seen: {seen}"
            raise WaitFailedError(message) from seen.error
        time.sleep(min(pause_s, max(within_s - waited_s, 0)))
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)


def _look(check: Callable[[], object]) -> _Seen:
    try:
        return _Seen(value=check())
    except (NotYetError, AssertionError, OSError) as error:
        return _Seen(error=error)


def is_ok(status: int) -> bool:
    """Whether the answer says that it serves."""
    return status == http.HTTPStatus.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Something that has to answer before tests may start, and how that is noticed."""

    name: str
    #: http://host:port/path is asked with GET; tcp://host:port only has to accept.
    url: str
    within_s: float = 30.0
    is_ready: Callable[[int], bool] = is_ok
    #: A reason why it can never answer (its process has ended), looked at between two tries.
    hopeless: Callable[[], str | None] = lambda: None


def wait_for(endpoint: Endpoint) -> float:
    """Wait until the endpoint answers; return how many seconds that took."""
    started = time.monotonic()
    why = f"waiting for {endpoint.name} at {endpoint.url}"
    wait_until(
        lambda: _answered(endpoint),
        endpoint.within_s,
        why,
        hopeless=endpoint.hopeless,
    )
    return time.monotonic() - started


def why_not_ready(endpoint: Endpoint) -> str | None:
    """Look once; return why the endpoint does not answer, None when it does."""
    try:
        _answered(endpoint)
    except NotYetError as error:
        return str(error)
    return None


def _answered(endpoint: Endpoint) -> bool:
    parts = urlsplit(endpoint.url)
    if parts.hostname is None or parts.port is None:
        message = f"{endpoint.name}: {endpoint.url!r} needs a host and a port"
        raise ValueError(message)
    try:
        if parts.scheme == "tcp":
            socket.create_connection((parts.hostname, parts.port), LOOK_S).close()
            return True
        path = parts.path or "/"
        if parts.query:
            path += f"?{parts.query}"
        status, start = _ask(parts.hostname, parts.port, path)
    except Exception as error:
        raise NotYetError(_reason(error, parts.hostname)) from error
    if not endpoint.is_ready(status):
        message = f"answered {status}: {start}"
        raise NotYetError(message)
    return True


def _ask(host: str, port: int, path: str) -> tuple[int, str]:
    """Return the status and the beginning of the body."""
    connection = http.client.HTTPConnection(host, port, timeout=LOOK_S)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read(300).decode("utf-8", "replace")
    finally:
        connection.close()


def _reason(error: Exception, host: str) -> str:
    """Say in words why there was no answer."""
    match error:
        case socket.gaierror():
            return f"the name {host} never resolved"
        case ConnectionRefusedError():
            return "the connection was refused: nothing listens there"
        case TimeoutError():
            return f"no answer within {LOOK_S:g} s"
        case ConnectionResetError() | http.client.RemoteDisconnected():
            return "the connection was closed before an answer"
        case http.client.HTTPException():
            return f"protocol error: {type(error).__name__}: {error}"
        case _:
            return f"{type(error).__name__}: {error}"
