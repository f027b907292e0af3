"""A small web site to download from without a network: images, a style sheet, pages.

Serves what examples/manifests/gallery.json names. Generated, always the same bytes.
"""

import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

HOST: Final = "127.0.0.1"
PORT: Final = 8099
#: What a start error calls this listener; it has no setting.
NAME: Final = "the sample origin (--with-origin)"

_SIDE: Final = 64
_COLOURS: Final = {
    "sunrise": (250, 140, 60),
    "meadow": (70, 170, 80),
    "harbour": (40, 110, 190),
}
_PNG: Final = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def draw_png(colour: tuple[int, int, int], side: int = _SIDE) -> bytes:
    """Draw a square that fades from black to a colour."""
    rows = bytearray()
    for y in range(side):
        shade = bytes(part * (y + 1) // side for part in colour)
        rows += b"\x00" + shade * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    return _PNG + b"".join(_chunk(kind, body) for kind, body in parts)


@lru_cache
def pages() -> Mapping[str, tuple[str, bytes]]:
    """Return what there is: content type and body by path."""
    images = {
        f"/images/{name}.png": ("image/png", draw_png(colour)) for name, colour in _COLOURS.items()
    }
    shown = "".join(f'<img src="{path}" alt="">' for path in images)
    html = f'<!doctype html><link rel="stylesheet" href="/style.css"><h1>Gallery</h1>{shown}'
    logo = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">'
        '<circle cx="4" cy="4" r="3" fill="#2a6ebe"/></svg>'
    )
    return {
        "/": ("text/html; charset=utf-8", html.encode()),
        "/style.css": ("text/css", b"body { font-family: sans-serif; margin: 2rem }\n"),
        "/logo.svg": ("image/svg+xml", logo.encode()),
        "/captions.json": ("application/json", b'{"sunrise": "04:52", "harbour": "noon"}\n'),
        **images,
    }


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer as an ASGI application."""
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    kind, body = pages().get(scope["path"], ("text/plain", b"not here\n"))
    status = 200 if scope["path"] in pages() else 404
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
