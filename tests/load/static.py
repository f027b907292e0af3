"""The static origin of a load, by asyncio alone: bodies, errors, and when it sent first bytes.

GET /b/<size>/<run>/<anything> answers <size> bytes, ?status=<code> that code, as tests/load/floor.
GET /first/<run> tells what was served first since it was asked last, and from when on to note it.
"""

import asyncio
import json
import random
import re
import sys
import time
from typing import Final

PATTERN: Final = random.Random(2463534242).randbytes(1 << 20)  # noqa: S311  # a body, no secret
_TARGET: Final = re.compile(
    rb"GET (?:http://[^/ ]+)?/b/(\d+)/([^/? ]*)/?([^? ]*)(?:\?status=(\d{3}))? HTTP"
)
_ASKED: Final = re.compile(rb"GET /first/([^/? ]+) HTTP")


class FirstBytes:
    """When bodies of a run were begun, in milliseconds of the wall clock; of runs that ask."""

    def __init__(self) -> None:
        """Note nothing yet."""
        self._lines: dict[bytes, list[bytes]] = {}

    def note(self, run: bytes, name: bytes) -> None:
        """A body begins to leave now."""
        if (lines := self._lines.get(run)) is not None:
            lines.append(b"%s %.3f" % (name, time.time() * 1e3))

    def told(self, run: bytes) -> bytes:
        """Return the new lines, `name milliseconds` each."""
        lines = self._lines.get(run, [])
        self._lines[run] = []
        return b"\n".join(lines)


class Origin(asyncio.Protocol):
    """One connection, kept open; requests may come one after the other."""

    _transport: asyncio.Transport

    def __init__(self, first_bytes: FirstBytes) -> None:
        """Nothing has come yet."""
        self._received = b""
        self._first_bytes = first_bytes

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
        if match := _TARGET.match(head):
            self._serve(int(match[1]), int(match[4] or 200))
            if not match[4]:
                self._first_bytes.note(match[2], match[3])
        elif asked := _ASKED.match(head):
            body = self._first_bytes.told(asked[1])
            self._begin(200, len(body))
            self._transport.write(body)
        else:
            self._begin(404, 0)

    def _serve(self, size: int, status: int) -> None:
        left = size if status == 200 else 0
        self._begin(status, left)
        while left > 0:
            self._transport.write(PATTERN[:left])
            left -= len(PATTERN)

    def _begin(self, status: int, size: int) -> None:
        start = f"HTTP/1.1 {status} -\r\nContent-Length: {size}\r\n"
        start += "Content-Type: application/octet-stream\r\n\r\n"
        self._transport.write(start.encode())


async def serve(host: str = "127.0.0.1") -> asyncio.Server:
    """Listen on a free port."""
    first_bytes = FirstBytes()
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Origin(first_bytes), host, 0, backlog=1024)


async def main(host: str) -> None:
    """Serve until the process is ended; the address is printed as one JSON line."""
    server = await serve(host)
    host, port = server.sockets[0].getsockname()[:2]
    print(json.dumps({"address": f"{host}:{port}"}), flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:2] or ["127.0.0.1"])))
