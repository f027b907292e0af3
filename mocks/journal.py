"""What the peers saw, per test case, and what they keep per case: turns and gates."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Final

from mocks.http1 import Headers, Request

#: Entries kept over all cases; the oldest are forgotten.
MOST_ENTRIES: Final = 50_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(kw_only=True)
class Entry:
    """One request as one peer saw it; wall clock in milliseconds.

    Attributes:
        role: the listener, e.g. `origin` or `proxy_auth`.
        via: the proxy of this package it came through, else empty.
        status: status answered, 0 when there was none.
        sent: body bytes written (a proxy: bytes passed down to the client).
        ended: `complete`, `aborted` (the peer went away or we broke off), or empty while open.

    """

    role: str
    case: str
    method: str
    target: str
    headers: Headers
    via: str = ""
    user: str = ""
    at_ms: int = field(default_factory=now_ms)
    done_ms: int = 0
    status: int = 0
    sent: int = 0
    received: int = 0
    ended: str = ""


class Journal:
    """Entries, turns and gates of every case."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=MOST_ENTRIES)
        self._turns: Counter[tuple[str, str]] = Counter()
        self._gates: dict[str, asyncio.Event] = {}
        self._open: Counter[str] = Counter()
        self._peaks: Counter[str] = Counter()
        #: Local ports of connections our own proxies have opened, with the proxy's name.
        self.tunnels: dict[int, str] = {}

    @contextmanager
    def recording(self, role: str, request: Request, via: str = "") -> Iterator[Entry]:
        """Note a request at its arrival and how it ended."""
        entry = Entry(
            role=role,
            case=request.case,
            method=request.method,
            target=request.target,
            headers=request.headers,
            via=via,
        )
        self._entries.append(entry)
        place = f"{entry.case} {role}"
        self._open[place] += 1
        self._peaks[place] = max(self._peaks[place], self._open[place])
        try:
            yield entry
            entry.ended = entry.ended or "complete"
        finally:
            entry.ended = entry.ended or "aborted"
            entry.done_ms = now_ms()
            self._open[place] -= 1

    def next_turn(self, request: Request) -> int:
        """Count requests for one target: 0, 1, 2 ..."""
        turn = self._turns[request.case, request.target]
        self._turns[request.case, request.target] += 1
        return turn

    def gate(self, case: str) -> asyncio.Event:
        """Return the gate at which `hold` waits."""
        return self._gates.setdefault(case, asyncio.Event())

    def of(self, case: str | None, role: str | None) -> dict[str, object]:
        """Show a case as JSON can; None = all cases, all roles."""
        found = [
            asdict(entry)
            for entry in self._entries
            if case in {None, entry.case} and role in {None, entry.role}
        ]
        place = f"{case} {role or 'origin'}"
        return {"entries": found, "open": self._open[place], "peak": self._peaks[place]}

    def forget(self, case: str | None) -> None:
        """Drop entries, turns and the gate of a case; None = of all."""
        kept = [entry for entry in self._entries if case is not None and entry.case != case]
        self._entries = deque(kept, maxlen=MOST_ENTRIES)
        for turn in [turn for turn in self._turns if case in {None, turn[0]}]:
            del self._turns[turn]
        for place in [place for place in self._peaks if case in {None, place.split(" ")[0]}]:
            del self._peaks[place]
        for name in [name for name in self._gates if case in {None, name}]:
            self._gates.pop(name).set()
