"""Read a request body within a limit, gunzipping on the way (contract 1.4, 1.10).

Holds at most the limit plus one chunk, whatever is sent.
"""

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import StrEnum
from typing import Any, Final

from fetchbox.model.failure import FailureCode, FetchBoxError, fail

#: The ASGI callable that returns the next event of a request.
Receive = Callable[[], Awaitable[Any]]

#: `zlib` window bits that mean: a gzip header and trailer, checked.
_GZIP: Final = 31

_TRAILING: Final = "data follows the end of the gzip stream"
_CORRUPT: Final = "the body is not a valid gzip stream"
_TRUNCATED: Final = "the gzip stream is truncated"
_GONE: Final = "the client left before its body was complete"


class Encoding(StrEnum):
    """Supported values of Content-Encoding."""

    IDENTITY = "identity"
    GZIP = "gzip"


def encoding_of(header: str | None) -> Encoding:
    """Read Content-Encoding; refuses every other, and stacked, encodings."""
    name = (header or Encoding.IDENTITY).lower()
    if name not in set(Encoding):
        msg = f"Content-Encoding {name!r} is not supported; use gzip or identity"
        raise _undecodable(msg)
    return Encoding(name)


async def read_body(
    receive: Receive, *, encoding: Encoding, limit: int, announced: int | None
) -> bytes:
    """Return the decoded body; raises as soon as it is known to be too large or broken."""
    if announced is not None and announced > limit:
        raise _too_large(limit, announced)
    decoder = _Gunzip(limit) if encoding is Encoding.GZIP else _Plain(limit)
    on_wire = 0
    async for chunk in _chunks(receive):
        on_wire += len(chunk)
        if on_wire > limit:
            raise _too_large(limit, on_wire)
        decoder.feed(chunk)
    return decoder.close()


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise _undecodable(_GONE)
        if chunk := event.get("body"):
            yield chunk
        if not event.get("more_body"):
            return


class _Plain:
    """Collects what comes; the wire limit is its limit."""

    def __init__(self, _limit: int) -> None:
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> None:
        self._parts.append(chunk)

    def close(self) -> bytes:
        return b"".join(self._parts)


class _Gunzip:
    """Inflates one gzip member, never past one byte over the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._inflater = zlib.decompressobj(_GZIP)
        self._out = bytearray()

    def feed(self, chunk: bytes) -> None:
        if self._inflater.eof:
            raise _undecodable(_TRAILING)
        room = self._limit + 1 - len(self._out)
        try:
            self._out += self._inflater.decompress(chunk, room)
        except zlib.error as error:
            raise _undecodable(_CORRUPT) from error
        if len(self._out) > self._limit:
            raise _too_large(self._limit, len(self._out))
        if self._inflater.unused_data:
            raise _undecodable(_TRAILING)

    def close(self) -> bytes:
        if not self._inflater.eof:
            raise _undecodable(_TRUNCATED)
        return bytes(self._out)


def _undecodable(message: str) -> FetchBoxError:
    return fail(FailureCode.VALIDATION_INVALID_ENCODING, message)


def _too_large(limit: int, actual: int) -> FetchBoxError:
    return fail(
        FailureCode.VALIDATION_PAYLOAD_TOO_LARGE,
        f"the body has at least {actual} bytes, the limit is {limit}",
        limit=limit,
        actual=actual,
    )
