"""Makes connections: to an origin, to a proxy, through a proxy's tunnel.

A blocked address is refused in the moment of connecting to exactly that address, so a name that
resolves differently the second time gains nothing. A proxy itself is not checked, and resolves
names on its own.
"""

import asyncio
import socket
import ssl
from asyncio.staggered import staggered_race
from functools import partial
from typing import Final, NamedTuple

from fetchbox.fetch.blocking import BlockedNetworks
from fetchbox.fetch.connection import Connection
from fetchbox.fetch.errors import (
    BlockedAddressError,
    BrokenTunnelError,
    GetError,
    RefusedTunnelError,
    TlsError,
    UnreachableError,
    UntrustedError,
)
from fetchbox.fetch.names import Address, Names
from fetchbox.fetch.route import ProxyAddress

#: How long one address of a name may be silent before the next is tried beside it.
STAGGER_S: Final = 0.25
_SUCCESS: Final = range(200, 300)


class Line(NamedTuple):
    """Where a connection leads: to an origin, through a proxy or none."""

    is_tls: bool
    host: str
    port: int
    proxy: ProxyAddress | None


class _End(NamedTuple):
    """A place to connect to."""

    is_tls: bool
    host: str
    port: int
    is_proxy: bool


class Dialer:
    """Connects; every failure is a GetError that tells whose it is."""

    def __init__(self, blocked: BlockedNetworks, names: Names) -> None:
        """Trust what the system trusts, or SSL_CERT_FILE."""
        self._blocked = blocked
        self._names = names
        self._tls = ssl.create_default_context()

    def close(self) -> None:
        """Resolve no more names."""
        self._names.close()

    async def dial(self, line: Line) -> Connection:
        """Make the connection; the caller limits the time."""
        proxy = line.proxy
        if proxy is None:
            return await self._connect(_End(line.is_tls, line.host, line.port, is_proxy=False))
        url = proxy.url
        end = _End(url.scheme == "https", url.raw_host or "", url.port or 0, is_proxy=True)
        connection = await self._connect(end)
        if line.is_tls:
            try:
                await self._tunnel(connection, line, proxy)
            except BaseException:
                connection.abort()
                raise
        return connection

    async def _connect(self, end: _End) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            made = await self._reach(end)
            name = end.host.rstrip(".")
            _, connection = await loop.create_connection(
                Connection,
                sock=made,
                ssl=self._tls if end.is_tls else None,
                server_hostname=name if end.is_tls else None,
            )
        except GetError as error:
            error.is_proxys = end.is_proxy
            raise
        except OSError as error:
            raise _why(error, is_proxys=end.is_proxy) from None
        return connection

    async def _reach(self, end: _End) -> socket.socket:
        """Connect to the first address that lets us, the next ones tried one by one beside it."""
        addresses = await self._names.resolve(end.host, end.port)
        tries = [partial(self._open, address, is_proxy=end.is_proxy) for address in addresses]
        if len(tries) == 1:
            return await tries[0]()
        made: socket.socket | None
        made, _, errors = await staggered_race(tries, STAGGER_S)
        if made is None:
            raise _most_telling([error for error in errors if error is not None])
        return made

    async def _open(self, address: Address, *, is_proxy: bool) -> socket.socket:
        """Connect to exactly this address: the last look at it."""
        family, kind, protocol, _, place = address
        if not is_proxy and self._blocked.blocks(str(place[0])):
            raise BlockedAddressError
        made = socket.socket(family, kind, protocol)
        try:
            made.setblocking(False)  # noqa: FBT003  # its only parameter
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(made, place)
        except BaseException:
            made.close()
            raise
        return made

    async def _tunnel(self, connection: Connection, line: Line, proxy: ProxyAddress) -> None:
        """Let the proxy connect us to the origin, and speak TLS with that."""
        try:
            head = await connection.ask(_connect_request(line, proxy), None, None)
        except GetError:
            raise BrokenTunnelError(is_proxys=True) from None
        if head.status not in _SUCCESS:
            raise RefusedTunnelError(str(head.status), is_proxys=True)
        transport = connection.transport
        if transport is None or transport.is_closing():
            raise BrokenTunnelError(is_proxys=True)
        connection.reset()
        try:
            upper = await asyncio.get_running_loop().start_tls(
                transport, connection, self._tls, server_hostname=line.host.rstrip(".")
            )
        except OSError as error:
            raise _why(error, is_proxys=False) from None
        if upper is None:
            raise TlsError
        connection.connection_made(upper)


def _connect_request(line: Line, proxy: ProxyAddress) -> bytes:
    place = f"[{line.host}]:{line.port}" if ":" in line.host else f"{line.host}:{line.port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "\r\n".join([*lines, "", ""]).encode()


def _most_telling(errors: list[BaseException]) -> BaseException:
    """Return why no address could be connected to: that some were blocked, only if all were."""
    return next((each for each in errors if not isinstance(each, BlockedAddressError)), errors[0])


def _why(error: OSError, *, is_proxys: bool) -> GetError:
    """Tell the failures to connect apart."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return UntrustedError(is_proxys=is_proxys)
    if isinstance(error, ssl.SSLError):
        return TlsError(is_proxys=is_proxys)
    return UnreachableError(error.strerror or "", is_proxys=is_proxys)
