"""Server-sent events, as a client of the log stream sees them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event; `data` is decoded JSON."""

    name: str
    id: str | None
    data: Any


def parse_events(lines: Iterable[str]) -> Iterator[Event]:
    """Read events as they come; comments are passed over."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields:
            yield Event(
                name=fields.get("event", "message"),
                id=fields.get("id"),
                data=json.loads(fields.get("data", "null")),
            )
            fields = {}
