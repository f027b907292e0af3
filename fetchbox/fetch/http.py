"""The fetcher on aiohttp: one session, one pool; redirects are followed by us, hop by hop.

A proxy resolves names itself, so through a proxy only literal addresses can be checked against
`blocked_networks`; what its network may reach is the proxy's business.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Self

from aiohttp import ClientResponse, ClientSession, ClientTimeout, DummyCookieJar
from multidict import CIMultiDict

from fetchbox.fetch.blocking import BlockedNetworks
from fetchbox.fetch.connector import GuardedConnector, send_once
from fetchbox.fetch.errors import ANSWER_ERRORS, BODY_ERRORS, answer_error, body_error
from fetchbox.fetch.port import FetchError, FetchRequest, FetchResponse, Side
from fetchbox.fetch.route import REDIRECTS, Hop, ProxyAddress, RoutePlanner, proxy_address
from fetchbox.model.failure import FailureCode, failure

#: How much of a body aiohttp reads ahead before it stops reading from the socket.
READ_AHEAD_BYTES: Final = 256 * 1024
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

    def __init__(self, options: HttpOptions) -> None:
        """Raise ValueError for a blocked network that is none."""
        self._options = options
        self._blocked = BlockedNetworks(options.blocked_networks)
        self._routes = RoutePlanner(options.user_agent, self._blocked)
        self._timeout = ClientTimeout(
            total=None,
            connect=_seconds(options.connect_timeout_ms),
            sock_read=_seconds(options.read_timeout_ms),
        )
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = GuardedConnector(
            self._blocked,
            limit=self._options.max_connections,
            read_timeout_s=self._timeout.sock_read,
            tls=ssl.create_default_context(),  # honours SSL_CERT_FILE
        )
        self._session = ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=DummyCookieJar(),
            middlewares=(send_once,),
            read_bufsize=READ_AHEAD_BYTES // 2,
            timeout=self._timeout,
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def fetch(self, request: FetchRequest) -> AbstractAsyncContextManager[FetchResponse]:
        """Send the request when entered; give the connection back, or drop it, when left."""
        return _Exchange(self, request)

    async def open(self, request: FetchRequest, deadline: float | None) -> "HttpResponse":
        """Send the request and follow its redirects; the caller closes the response."""
        hop = self._routes.first(request)
        proxy = _proxy_of(request)
        while True:
            response = await self._send(hop, proxy, deadline)
            location = response.headers.get("location")
            if response.status not in REDIRECTS or location is None:
                return HttpResponse(response, hop, _seconds(self._options.read_timeout_ms))
            try:
                hop = self._routes.following(hop, location)
            finally:
                response.release()

    async def _send(
        self, hop: Hop, proxy: ProxyAddress | None, deadline: float | None
    ) -> ClientResponse:
        if self._session is None:
            msg = "HttpFetcher is used outside its `async with`"
            raise RuntimeError(msg)
        headers, proxy_headers = _headers_for(hop, proxy)
        try:
            response = await self._session.get(
                hop.url,
                headers=headers,
                allow_redirects=False,
                proxy=proxy.url if proxy else None,
                proxy_headers=proxy_headers,
                timeout=self._timeout if deadline is None else self._limited(deadline),
            )
        except ANSWER_ERRORS as error:
            raise answer_error(error, hop, proxy) from None
        is_plain = proxy is not None and hop.url.scheme == "http"
        if is_plain and response.status == _PROXY_AUTHENTICATION_REQUIRED:
            response.close()
            text = "the proxy demands other credentials (407): check the pool's URI"
            raise FetchError(failure(FailureCode.DOWNLOAD_NETWORK_ERROR, text), Side.PROXY)
        return response

    def deadline(self) -> float | None:
        """Tell when a fetch that begins now must have ended, on the loop's clock."""
        total = _seconds(self._options.download_timeout_ms)
        return None if total is None else asyncio.get_running_loop().time() + total

    def _limited(self, deadline: float) -> ClientTimeout:
        """Grant one hop what is left of the whole time; aiohttp takes 0 for no limit."""
        left = max(deadline - asyncio.get_running_loop().time(), 0.001)
        return ClientTimeout(
            total=left, connect=self._timeout.connect, sock_read=self._timeout.sock_read
        )


class HttpResponse:
    """An answer whose body has not been read."""

    __slots__ = ("_hop", "_response", "_silence_s")

    def __init__(self, response: ClientResponse, hop: Hop, silence_s: float | None) -> None:
        """`silence_s` is the longest wait for more of the body."""
        self._response = response
        self._hop = hop
        self._silence_s = silence_s

    @property
    def status(self) -> int:
        """Final status after redirects."""
        return self._response.status

    @property
    def content_length(self) -> int | None:
        """Announced size of the body in bytes, None when unknown."""
        if "transfer-encoding" in self._response.headers:  # it wins where both are there
            return None
        return self._response.content_length

    def header(self, name: str) -> str:
        """Return the first value of a header, or the empty string."""
        return self._response.headers.get(name, "")

    async def read(self) -> bytes:
        """Return the body whole, where `content_length` tells that it is small."""
        try:
            return await self._response.content.read()
        except BODY_ERRORS as error:
            raise self._body_error(error) from None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as received."""
        content = self._response.content
        # aiohttp watches for silence itself; but a malformed chunk that comes after the headers
        # silences its parser, and its timeout with it: a body in chunks needs our own deadline.
        is_sized = self.content_length is not None
        while True:
            try:
                if content.is_eof():  # all of it is here: nothing to wait for
                    data = content.read_nowait()
                elif is_sized:
                    data = await content.readany()
                else:
                    async with asyncio.timeout(self._silence_s):
                        data = await content.readany()
            except BODY_ERRORS as error:
                raise self._body_error(error) from None
            if not data:
                return
            yield data

    def close(self) -> None:
        """Give the connection back to the pool if the body was read, else drop it."""
        self._response.release()

    def _body_error(self, error: Exception) -> FetchError:
        connection = self._response.connection
        is_lost = connection is None or connection.transport is None
        if isinstance(error, TimeoutError) and is_lost:
            error = ConnectionResetError()
        return body_error(error, self._hop)


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


def _headers_for(
    hop: Hop, proxy: ProxyAddress | None
) -> tuple[CIMultiDict[str], dict[str, str] | None]:
    """Put the proxy's credentials where only the proxy sees them: into CONNECT for https."""
    if proxy is None or not proxy.authorization:
        return hop.headers, None
    own = {"Proxy-Authorization": proxy.authorization}
    if hop.url.scheme == "https":
        return hop.headers, own
    return CIMultiDict([*hop.headers.items(), *own.items()]), None
