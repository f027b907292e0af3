"""The log files of the stack: JSON lines, read from where they stood when a test began."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class LogMark:
    """The sizes of the log files at one moment."""

    sizes: Mapping[Path, int]


@dataclass(frozen=True, slots=True)
class LogFolder:
    """api.log, worker-1.log and so on."""

    folder: Path

    def mark(self) -> LogMark:
        """Remember where the files end now."""
        return LogMark({path: path.stat().st_size for path in self.folder.glob("*.log")})

    def by_service(self, since: LogMark, needles: Iterable[str]) -> dict[str, list[str]]:
        """Return the lines that contain one of `needles` by service; no needle means all lines."""
        wanted = [needle.encode() for needle in needles]
        return {
            path.stem: [
                line.decode(errors="replace").rstrip("\n")
                for line in _tail(path, since.sizes.get(path, 0))
                if not wanted or any(needle in line for needle in wanted)
            ]
            for path in sorted(self.folder.glob("*.log"))
        }

    def has_ever(self, kind: str, needle: str) -> bool:
        """Whether a kind of service has ever said this."""
        wanted = needle.encode()
        paths = self.folder.glob(f"{kind}.log")
        return any(wanted in line for path in paths for line in _tail(path, 0))

    def lines(self, since: LogMark, needles: Iterable[str], kind: str = "*") -> list[str]:
        """Return raw lines that contain one of `needles`; `kind` is `api` or `worker-*`."""
        wanted = [needle.encode() for needle in needles]
        return [
            line.decode(errors="replace")
            for path in sorted(self.folder.glob(f"{kind}.log"))
            for line in _tail(path, since.sizes.get(path, 0))
            if any(needle in line for needle in wanted)
        ]

    def events(self, since: LogMark, needles: Iterable[str], kind: str = "*") -> list[Any]:
        """Return the same lines, decoded; what is no JSON object is left out."""
        decoded = (_decode(line) for line in self.lines(since, needles, kind))
        return [event for event in decoded if isinstance(event, dict)]


def _tail(path: Path, start: int) -> Iterator[bytes]:
    with path.open("rb") as stream:
        stream.seek(start)
        yield from stream


def _decode(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
