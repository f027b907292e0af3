"""Who may use the operator routes (contract 2.1, deviation 5)."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.exceptions import PermissionDeniedException
from litestar.handlers import BaseRouteHandler

from fetchbox.api.headers import raw_value
from fetchbox.model.failure import FailureCode, fail

TOKEN_HEADER: Final = "X-Fetchbox-Operator-Token"  # noqa: S105 - the name of a header
_RAW_NAME: Final = TOKEN_HEADER.lower().encode()

#: Values of Sec-Fetch-Site that a foreign web page cannot send; programs send none.
_OWN_PAGES: Final = frozenset({b"", b"same-origin", b"none"})

_NOT_PRIVATE: Final = (
    "changes need an operator token once the API listens beyond loopback: "
    "set server.operator_token, or bind it to 127.0.0.1"
)
_FOREIGN: Final = "another site's page may not do this"

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]


def token_guard(token: str | None) -> Guard:
    """Refuse every request without the configured token; no token configured: open."""
    expected = (token or "").encode()

    async def check_token(
        connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler
    ) -> None:
        given = raw_value(connection.scope["headers"], _RAW_NAME)
        if expected and not hmac.compare_digest(given, expected):
            message = f"send the operator token in the header {TOKEN_HEADER}"
            raise fail(FailureCode.AUTH_UNAUTHORIZED, message)

    return check_token


def write_guard(token: str | None, *, is_loopback: bool) -> Guard:
    """Refuse changes on an API without a token, unless only this host's programs can reach it."""

    async def check_write(
        connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler
    ) -> None:
        if token:
            return
        if not is_loopback:
            raise PermissionDeniedException(_NOT_PRIVATE)
        if raw_value(connection.scope["headers"], b"sec-fetch-site") not in _OWN_PAGES:
            raise PermissionDeniedException(_FOREIGN)

    return check_write
