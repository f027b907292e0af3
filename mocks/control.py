"""The control API over the other peers: journal, gates, relays, counters. See mocks/__init__.py."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict

from mocks.http1 import Request, json_of, read_request
from mocks.journal import Journal
from mocks.proxy import Proxy
from mocks.relay import Relay


class Control:
    """Serves connections of the control port."""

    def __init__(
        self, journal: Journal, relays: Mapping[str, Relay], proxies: Mapping[str, Proxy]
    ) -> None:
        self._journal = journal
        self._relays = relays
        self._proxies = proxies
        #: Every bound port by name, filled in once all are open.
        self.ports: dict[str, int] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the client closes."""
        while (request := await read_request(reader)) is not None:
            writer.write(await self._answer(request))
            await writer.drain()

    async def _answer(self, request: Request) -> bytes:
        method, room = request.method, request.path.strip("/").partition("/")[0]
        if room == "relay":
            return await self._relay(request)
        show: dict[str, Callable[[], object]] = {
            "healthz": lambda: {"status": "ok"},
            "ports": lambda: self.ports,
            "proxies": lambda: {name: asdict(each.counts) for name, each in self._proxies.items()},
            "journal": lambda: self._journal.of(
                request.query.get("case"), request.query.get("role")
            ),
        }
        if method == "GET" and room in show:
            return json_of(show[room]())
        return self._act(method, room, request.query.get("case"))

    def _act(self, method: str, room: str, case: str | None) -> bytes:
        match method, room:
            case "DELETE", "journal":
                self._journal.forget(case)
            case "POST", "release" if case:
                self._journal.gate(case).set()
            case _:
                return json_of({"error": f"no {method} {room}, or no case given"}, 404)
        return json_of({"case": case})

    async def _relay(self, request: Request) -> bytes:
        _, name, *rest = (*request.path.strip("/").split("/"), "")
        relay = self._relays.get(name)
        if relay is None:
            return json_of({"error": f"no relay {name!r}", "relays": list(self._relays)}, 404)
        match (request.method, *rest):
            case ("GET", *_):
                pass
            case ("POST", "cut", *_):
                relay.cut(int(request.query.get("ms", "0")))
            case ("POST", "heal", *_):
                await relay.heal()
            case _:
                return json_of({"error": "GET, POST .../cut?ms= or POST .../heal"}, 405)
        return json_of(relay.state())
