"""The sample site and the sample manifest belong together."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fetchbox.cli import origin
from fetchbox.model.manifest import ManifestLimits, parse_manifest

GALLERY = Path(__file__).parents[3] / "examples/manifests/gallery.json"


async def ask(path: str, method: str = "GET") -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await origin.app({"type": "http", "path": path, "method": method}, None, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


async def test_everything_in_the_sample_manifest_is_there() -> None:
    manifest = parse_manifest(json.loads(GALLERY.read_bytes()), ManifestLimits())
    for resource in manifest.resources:
        parts = urlsplit(resource.url)
        assert parts.netloc == f"{origin.HOST}:{origin.PORT}"
        status, headers, body = await ask(parts.path)
        assert status == 200
        assert int(headers[b"content-length"]) == len(body) > 0
        if hint := resource.tags.get("content_type"):
            assert headers[b"content-type"] == hint.encode()


async def test_other_paths_are_not_there() -> None:
    assert (await ask("/nothing"))[0] == 404


async def test_head_has_no_body() -> None:
    _, headers, body = await ask("/style.css", "HEAD")
    assert (int(headers[b"content-length"]) > 0, body) == (True, b"")


@pytest.mark.parametrize("side", [1, 64])
def test_picture_is_a_png_of_its_size(side: int) -> None:
    picture = origin.draw_png((1, 2, 3), side)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(picture[16:20]) == int.from_bytes(picture[20:24]) == side


def test_bytes_are_the_same_each_time() -> None:
    assert origin.draw_png((9, 8, 7)) == origin.draw_png((9, 8, 7))
