"""The control API of the peers (`mocks/`), which play what WireMock cannot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests

from tests.common.faults import note_fault
from tests.common.wiremock import Seen

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What one listener saw of one test."""

    seen: Sequence[Seen]
    #: The proxy each of them came through, empty = none.
    via: Sequence[str]
    users: Sequence[str]
    open_now: int
    peak: int


class Peers:
    """One process of peers."""

    def __init__(self, control_url: str) -> None:
        """Connect at the first call."""
        self._control = control_url
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    @cached_property
    def ports(self) -> Mapping[str, int]:
        """Every listener's port by name."""
        found: Mapping[str, int] = self._ask("GET", "/ports")
        return found

    def url(self, listener: str, case: str, behaviour: str, **options: str | int) -> str:
        """Return the URL that behaves as `behaviour`, e.g. `short/100/10`."""
        scheme = "https" if listener == "tls_origin" else "http"
        host = urlsplit(self._control).hostname
        query = f"?{urlencode(options)}" if options else ""
        return f"{scheme}://{host}:{self.ports[listener]}/c/{case}/{behaviour}{query}"

    def traffic(self, case: str, role: str = "origin") -> Traffic:
        """Return what a listener saw of a test."""
        journal = self._ask("GET", f"/journal?{urlencode({'case': case, 'role': role})}")
        entries = journal["entries"]
        return Traffic(
            seen=[_seen(entry) for entry in entries],
            via=[entry["via"] for entry in entries],
            users=[entry["user"] for entry in entries],
            open_now=journal["open"],
            peak=journal["peak"],
        )

    def journal(self, case: str) -> Any:
        """Return all that any listener saw of a test, as the peers tell it."""
        return self._ask("GET", f"/journal?{urlencode({'case': case})}")["entries"]

    def release(self, case: str) -> None:
        """Let the requests go that `hold` keeps waiting, and all to come."""
        self._ask("POST", f"/release?{urlencode({'case': case})}")

    def forget(self, case: str) -> None:
        """Forget a test."""
        self._ask("DELETE", f"/journal?{urlencode({'case': case})}")

    def cut(self, relay: str, ms: int) -> None:
        """Take what is behind a relay away; it comes back by itself."""
        note_fault(f"relay {relay}", f"cut for {ms} ms")
        self._ask("POST", f"/relay/{relay}/cut?ms={ms}")

    def heal(self, relay: str) -> None:
        """Bring it back now."""
        self._ask("POST", f"/relay/{relay}/heal")

    def is_open(self, relay: str) -> bool:
        """Whether a relay that was cut has healed."""
        return bool(self._ask("GET", f"/relay/{relay}")["open"])

    def has_relay(self, relay: str) -> bool:
        """Whether the stack runs this traffic through a relay."""
        return f"relay_{relay}" in self.ports

    def _ask(self, verb: str, path: str) -> Any:
        answer = self._session.request(verb, self._control + path, timeout=TIMEOUT_S)
        assert answer.ok, f"peers: {verb} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()


def _seen(entry: Mapping[str, Any]) -> Seen:
    return Seen(
        url=entry["target"],
        at_ms=entry["at_ms"],
        headers=dict(entry["headers"]),
        is_proxied=bool(entry["via"]),
    )
