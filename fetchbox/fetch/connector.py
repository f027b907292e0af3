"""aiohttp's connection pool with two additions: a look at each address, and who failed when.

A connection that breaks is never tried again here, as aiohttp would: an attempt is an attempt.
"""

import errno
import socket
import ssl
from contextvars import ContextVar
from math import inf
from typing import Final

from aiohttp import (
    AddrInfoType,
    ClientConnectionError,
    ClientError,
    ClientHandlerType,
    ClientRequest,
    ClientResponse,
    ClientTimeout,
    TCPConnector,
)
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from fetchbox.fetch.blocking import BlockedNetworks

#: Less than the idle timeout of common servers (5 s), so that we close first: a server that closes
#: in the moment of reuse costs an attempt.
KEEP_ALIVE_S: Final = 4.0


class BlockedAddressError(OSError):
    """A name resolved into a blocked network. The text is constant: aiohttp compares texts."""

    def __init__(self) -> None:
        """Take the errno that a firewall's refusal has."""
        super().__init__(errno.EACCES, "the address is in a blocked network")


class ConnectError(Exception):
    """No usable connection: `reason` is what aiohttp raised before the request was sent.

    Not a ClientError on purpose: aiohttp would try again.
    """

    def __init__(self, reason: Exception) -> None:
        """Wrap what aiohttp raised."""
        super().__init__(str(reason))
        self.reason = reason


class BrokenError(Exception):
    """The connection broke after the request was sent and before the answer was read."""


class GuardedConnector(TCPConnector):
    """A pool that connects to no blocked address. Connections to proxies are not looked at."""

    def __init__(
        self,
        blocked: BlockedNetworks,
        *,
        limit: int,
        read_timeout_s: float | None,
        tls: ssl.SSLContext,
    ) -> None:
        """`limit` bounds the connections of the whole pool.

        No connection idles for half the read timeout: aiohttp may leave the timer of a paused body
        running, and when it goes off in the pool, the next request there fails at once.
        """
        super().__init__(
            keepalive_timeout=min(KEEP_ALIVE_S, read_timeout_s / 2 if read_timeout_s else inf),
            limit=limit,
            socket_factory=self._make_socket,
            ssl=tls,
        )
        self._blocked = blocked
        #: Set per request; the tasks in which aiohttp races addresses inherit it.
        self._is_direct: ContextVar[bool] = ContextVar("is_direct", default=True)

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109  # aiohttp's signature
    ) -> Connection:
        """Connect as the pool does; raises TimeoutError or ConnectError."""
        self._is_direct.set(req.proxy is None)
        try:
            return await super().connect(req, traces, timeout)
        except TimeoutError:
            raise
        except (ClientError, OSError, UnicodeError) as error:
            raise ConnectError(error) from None

    def _make_socket(self, address: AddrInfoType) -> socket.socket:
        """Make the socket for exactly this address: the last look before connecting."""
        family, kind, protocol, _, place = address
        if self._is_direct.get() and self._blocked.blocks(str(place[0])):
            raise BlockedAddressError
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return made


async def send_once(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Middleware that takes aiohttp's second try of a broken connection away."""
    try:
        return await send(request)
    except TimeoutError:
        raise
    except ClientConnectionError as error:
        raise BrokenError(str(error)) from None
