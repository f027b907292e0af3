"""The fetcher: one pool of connections; redirects are followed by us, hop by hop.

A proxy resolves names itself, so through a proxy only literal addresses can be checked against
`blocked_networks`; what its network may reach is the proxy's business.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Self

from fetchbox.fetch.blocking import BlockedNetworks
from fetchbox.fetch.connection import Head
from fetchbox.fetch.dial import Dialer, Line
from fetchbox.fetch.errors import GetError, RefusedCredentialsError, fetch_error
from fetchbox.fetch.names import Names
from fetchbox.fetch.pool import Lease, Pool
from fetchbox.fetch.port import FetchError, FetchRequest, FetchResponse, Side
from fetchbox.fetch.request import request_head
from fetchbox.fetch.route import REDIRECTS, Hop, ProxyAddress, RoutePlanner, proxy_address
from fetchbox.model.failure import FailureCode, failure

_PROXY_AUTHENTICATION_REQUIRED: Final = 407


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """Settings of the client; a timeout of 0 means none.

    Attributes:
        connect_timeout_ms: until a connection stands: name, TCP, CONNECT and TLS together.
        read_timeout_ms: the longest silence, before the answer and inside the body.
        download_timeout_ms: for all hops and the body together.

    """

    user_agent: str
    connect_timeout_ms: int
    read_timeout_ms: int
    download_timeout_ms: int
    blocked_networks: tuple[str, ...]
    max_connections: int


class HttpFetcher:
    """Fetches over HTTP. Use as an async context manager."""

    def __init__(self, options: HttpOptions, names: Names | None = None) -> None:
        """Raise ValueError for a blocked network that is none. `names` resolves, for tests."""
        self._options = options
        self._blocked = BlockedNetworks(options.blocked_networks)
        self._routes = RoutePlanner(options.user_agent, self._blocked)
        self._silence_s = _seconds(options.read_timeout_ms)
        self._names = names
        self._pool: Pool | None = None

    async def __aenter__(self) -> Self:
        dialer = Dialer(self._blocked, self._names or Names())
        connect_s = _seconds(self._options.connect_timeout_ms)
        self._pool = Pool(dialer, self._options.max_connections, connect_s)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def fetch(self, request: FetchRequest) -> AbstractAsyncContextManager[FetchResponse]:
        """Send the request when entered; give the connection back, or drop it, when left."""
        return _Exchange(self, request)

    async def open(self, request: FetchRequest, deadline: float | None) -> "HttpResponse":
        """Send the request and follow its redirects; the caller closes the response."""
        hop = self._routes.first(request)
        proxy = _proxy_of(request)
        while True:
            response = await self._send(hop, proxy, deadline)
            if response.status not in REDIRECTS or not response.has("location"):
                return response
            try:
                hop = self._routes.following(hop, response.header("location"))
            finally:
                response.close()

    async def _send(
        self, hop: Hop, proxy: ProxyAddress | None, deadline: float | None
    ) -> "HttpResponse":
        if self._pool is None:
            msg = "HttpFetcher is used outside its `async with`"
            raise RuntimeError(msg)
        url = hop.url
        line = Line(url.scheme == "https", url.raw_host or "", url.port or 0, proxy)
        try:
            request = request_head(hop, proxy)
            lease = Lease(self._pool, line, await self._pool.take(line, deadline))
            try:
                head = await lease.connection.ask(request, self._silence_s, deadline)
            except BaseException:
                lease.end()
                raise
        except GetError as error:
            raise fetch_error(error, hop, proxy) from None
        if head.status == _PROXY_AUTHENTICATION_REQUIRED and proxy and not line.is_tls:
            lease.end()
            raise fetch_error(RefusedCredentialsError(is_proxys=True), hop, proxy)
        return HttpResponse(lease, head, hop)

    def deadline(self) -> float | None:
        """Tell when a fetch that begins now must have ended, on the loop's clock."""
        total = _seconds(self._options.download_timeout_ms)
        return None if total is None else asyncio.get_running_loop().time() + total


class HttpResponse:
    """An answer whose body has not been read."""

    __slots__ = ("_head", "_hop", "_lease", "content_length", "status")

    def __init__(self, lease: Lease, head: Head, hop: Hop) -> None:
        """`content_length` is the announced size of the body, None when unknown."""
        self._lease = lease
        self._head = head
        self._hop = hop
        self.status = head.status
        size = head.headers.get(b"content-length")  # never beside a transfer coding: no valid HTTP
        self.content_length = None if size is None else int(size)

    def has(self, name: str) -> bool:
        """Tell whether a header is there."""
        return name.lower().encode() in self._head.headers

    def header(self, name: str) -> str:
        """Return the first value of a header, or the empty string."""
        return self._head.headers.get(name.lower().encode(), b"").decode(errors="surrogateescape")

    async def read(self) -> bytes:
        """Return the body whole, where `content_length` tells that it is small."""
        try:
            return await self._lease.connection.whole()
        except GetError as error:
            raise fetch_error(error, self._hop, None) from None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as received."""
        while True:
            try:
                data = await self._lease.connection.some()
            except GetError as error:
                raise fetch_error(error, self._hop, None) from None
            if not data:
                return
            yield data

    def close(self) -> None:
        """Give the connection back to the pool if the body was read, else drop it."""
        self._lease.end()


class _Exchange(AbstractAsyncContextManager[FetchResponse]):
    """One fetch as a context manager."""

    __slots__ = ("_fetcher", "_request", "_response")

    def __init__(self, fetcher: HttpFetcher, request: FetchRequest) -> None:
        self._fetcher = fetcher
        self._request = request

    async def __aenter__(self) -> FetchResponse:
        self._response = await self._fetcher.open(self._request, self._fetcher.deadline())
        return self._response

    async def __aexit__(self, *_: object) -> None:
        self._response.close()


def _seconds(ms: int) -> float | None:
    return ms / 1000 or None


def _proxy_of(request: FetchRequest) -> ProxyAddress | None:
    if request.proxy is None:
        return None
    try:
        return proxy_address(request.proxy)
    except ValueError as error:
        cause = failure(FailureCode.DOWNLOAD_NETWORK_ERROR, str(error))
        raise FetchError(cause, Side.PROXY) from None
