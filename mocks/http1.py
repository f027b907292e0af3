"""As much HTTP/1.1 as the peers need: read a request, write an answer. Bodies only by length."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from http.client import responses
from urllib.parse import parse_qsl, urlsplit

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as received; `target` is the second word of its first line."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""

    @cached_property
    def path(self) -> str:
        return urlsplit(self.target).path

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @cached_property
    def case(self) -> str:
        """The test this belongs to: `/c/<case>/...`, else the empty string."""
        parts = self.path.split("/")
        return parts[2] if len(parts) > 2 and parts[1] == "c" else ""  # noqa: PLR2004  # /c/<case>

    @property
    def wants_close(self) -> bool:
        return self.header("connection").lower() == "close"

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read one request; None when the peer has closed or sends no HTTP."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    words = first.split(" ")
    if len(words) != 3:  # noqa: PLR2004  # method, target, version
        return None
    pairs = (line.partition(":") for line in lines)
    headers = tuple((name.strip(), value.strip()) for name, _, value in pairs)
    request = Request(method=words[0], target=words[1], headers=headers)
    length = int(request.header("content-length") or 0)
    if not length:
        return request
    body = await reader.readexactly(length)
    return Request(method=words[0], target=words[1], headers=headers, body=body)


def head_of(status: int, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """Render the first line and the headers of an answer."""
    phrase = responses.get(status, "Unknown")
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answer_of(status: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """Render a whole answer of known length."""
    return head_of(status, [*headers, ("Content-Length", str(len(body)))]) + body


def json_of(value: object, status: int = 200) -> bytes:
    """Render an answer in JSON."""
    body = json.dumps(value).encode()
    return answer_of(status, body, [("Content-Type", "application/json")])
