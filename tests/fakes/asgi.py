"""A client of an ASGI application, without sockets; keeps count of what was asked of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

Headers = Mapping[str, str | bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass(slots=True)
class Upload:
    """A request body that is made while it is read; `is_cut`: the client leaves after it."""

    chunks: Iterable[bytes]
    taken: int = 0
    size_bytes: int = 0
    is_cut: bool = False
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        for chunk in self.chunks:
            self.taken += 1
            self.size_bytes += len(chunk)
            yield {"type": "http.request", "body": chunk, "more_body": True}
        if not self.is_cut:
            yield {"type": "http.request", "body": b"", "more_body": False}
            await self.answered.wait()  # the client stays and listens
        yield {"type": "http.disconnect"}


@dataclass(slots=True)
class AsgiClient:
    """Sends requests one by one; `headers` go with each."""

    app: Any
    headers: dict[str, str | bytes] = field(default_factory=dict)

    async def get(self, target: str, headers: Headers | None = None) -> Answer:
        return await self.send("GET", target, headers)

    async def post(
        self, target: str, headers: Headers | None = None, body: bytes | Upload = b""
    ) -> Answer:
        return await self.send("POST", target, headers, body)

    async def send(
        self, method: str, target: str, headers: Headers | None = None, body: bytes | Upload = b""
    ) -> Answer:
        upload = body if isinstance(body, Upload) else Upload([body] if body else [])
        events, sent = upload.events(), list[dict[str, Any]]()

        async def record(event: dict[str, Any]) -> None:
            sent.append(event)
            if event["type"] == "http.response.body" and not event.get("more_body", False):
                upload.answered.set()

        scope = _scope(method, target, {**self.headers, **(headers or {})})
        await self.app(scope, lambda: anext(events), record)
        start, *parts = sent
        return Answer(
            status=start["status"],
            headers={name.decode(): value.decode() for name, value in start["headers"]},
            body=b"".join(part.get("body", b"") for part in parts),
        )


def _scope(method: str, target: str, headers: Headers) -> dict[str, Any]:
    path, _, query = target.partition("?")
    pairs = {
        name: text if isinstance(text, bytes) else text.encode() for name, text in headers.items()
    }
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value) for name, value in pairs.items()],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8080),
    }
