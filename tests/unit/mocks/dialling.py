"""How the tests of the peers talk to them: plain HTTP, and bare sockets."""

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp

from mocks.peers import Peers

CASE = "case-1"


@dataclass(frozen=True, kw_only=True)
class Seen:
    status: int
    body: bytes
    headers: dict[str, str]


class Dial:
    def __init__(self, peers: Peers, session: aiohttp.ClientSession) -> None:
        self.peers = peers
        self._session = session

    def url(self, path: str, listener: str = "origin") -> str:
        scheme = "https" if listener == "tls_origin" else "http"
        return f"{scheme}://127.0.0.1:{self.peers.ports[listener]}/{path}"

    async def get(self, path: str, listener: str = "origin", **options: Any) -> Seen:
        url = self.url(f"c/{CASE}/{path}", listener)
        async with self._session.get(url, allow_redirects=False, **options) as response:
            return Seen(
                status=response.status,
                body=await response.read(),
                headers={name.lower(): value for name, value in response.headers.items()},
            )

    async def control(self, method: str, path: str) -> Any:
        async with self._session.request(method, self.url(path, "control")) as response:
            return await response.json()

    async def raw(self, path: str, listener: str = "origin", host: str = "x") -> bytes:
        """Return all bytes until the end; a reset raises ConnectionResetError."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.peers.ports[listener])
        try:
            writer.write(f"GET /c/{CASE}/{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            async with asyncio.timeout(5):
                return await reader.read()
        finally:
            writer.close()

    async def ending(self, path: str, listener: str) -> str:
        """Tell how a request ends: answered, reset or refused."""
        try:
            await self.raw(path, listener)
        except ConnectionRefusedError:
            return "refused"
        except ConnectionResetError:
            return "reset"
        return "answered"
