"""Requests that no HTTP library sends: a body without a length that goes on while it is refused."""

import http.client
import select
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

TIMEOUT_S: Final = 20.0
#: How long to wait for an answer between two chunks once the server stops reading.
STALL_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The answer, and how much the server took before it gave one."""

    status: int
    body: bytes
    sent_bytes: int


def send_pieces(url: str, headers: Mapping[str, str], pieces: Iterable[bytes]) -> Sent:
    """POST the pieces, chunked unless a length is announced, until all are sent or answered."""
    parts = urlsplit(url)
    is_chunked = "Content-Length" not in headers
    framing = {"Transfer-Encoding": "chunked"} if is_chunked else {}
    head = {"Host": parts.netloc, "Connection": "close", **framing, **headers}
    lines = [f"POST {parts.path} HTTP/1.1", *(f"{k}: {v}" for k, v in head.items())]
    with socket.create_connection((parts.hostname or "", parts.port or 80), TIMEOUT_S) as wire:
        wire.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        sent = _send_body(wire, pieces, is_chunked=is_chunked)
        answer = http.client.HTTPResponse(wire, method="POST")
        try:
            answer.begin()
            return Sent(status=answer.status, body=answer.read(), sent_bytes=sent)
        finally:
            answer.close()


def _send_body(wire: socket.socket, pieces: Iterable[bytes], *, is_chunked: bool) -> int:
    sent = 0
    with suppress(ConnectionError, TimeoutError):
        for piece in pieces:
            readable, writable, _ = select.select([wire], [wire], [], STALL_S)
            if readable or not writable:
                return sent
            wire.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece)
            sent += len(piece)
        if is_chunked:
            wire.sendall(b"0\r\n\r\n")
    return sent
