"""The static origin where there is no Go: the URLs of tests/load/floor, by asyncio alone.

`python -m tests.load.static` prints its address as one JSON line and serves until it is ended.
"""

import asyncio
import json
import random
import re
import sys
from typing import Final

PATTERN: Final = random.Random(2463534242).randbytes(1 << 20)  # noqa: S311  # a body, no secret
_TARGET: Final = re.compile(rb"GET (?:http://[^/ ]+)?/b/(\d+)/\S*?(?:\?status=(\d{3}))? HTTP")


class Origin(asyncio.Protocol):
    """One connection, kept open; requests may come one after the other."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        match = _TARGET.match(head)
        status = int(match[2] or 200) if match else 404
        size = int(match[1]) if match and status == 200 else 0
        start = f"HTTP/1.1 {status} -\r\nContent-Length: {size}\r\n"
        start += "Content-Type: application/octet-stream\r\n\r\n"
        self._transport.write(start.encode())
        while size > 0:
            self._transport.write(PATTERN[:size])
            size -= len(PATTERN)


async def serve(host: str = "127.0.0.1") -> asyncio.Server:
    """Listen on a free port."""
    return await asyncio.get_running_loop().create_server(Origin, host, 0, backlog=1024)


async def main() -> None:
    """Serve until the process is ended."""
    server = await serve()
    host, port = server.sockets[0].getsockname()[:2]
    print(json.dumps({"address": f"{host}:{port}"}), flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
