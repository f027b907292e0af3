"""CPU and memory of what surrounds the service: store, broker, proxies, upstream.

Of processes on this machine /proc tells; of containers the engine, whose `docker stats` make writes
to a file that is read along here. What nobody tells of is absent: `not measured`.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

#: Names of the surroundings, and what they are called by the stacks.
PARTS: Final[Mapping[str, str]] = {
    "s3": "store",
    "minio": "store",
    "iggy": "broker",
    "peers": "proxies",
    "upstream": "upstream",
}
#: How they are called in sentences and charts.
NAMES: Final[Mapping[str, str]] = {
    "store": "store",
    "broker": "broker",
    "proxies": "proxies and relays",
    "upstream": "upstream",
}
#: Those that can use one core only: Python on one thread.
SINGLE: Final = ("proxies", "upstream")
#: The engine takes two seconds for a look.
FRESH_S: Final = 5.0
_LINE: Final = re.compile(rb"\S+?-(\w+)-\d+ ([\d.]+)% ([\d.]+)([kKMGT]?i?B) / .*\n")
_UNITS: Final = {
    b"B": 1, b"kB": 10**3, b"MB": 10**6, b"GB": 10**9, b"KiB": 2**10, b"MiB": 2**20, b"GiB": 2**30,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one part needed since the last look: cores, and bytes of resident memory."""

    cpu: float | None
    rss_bytes: float


class Surroundings(Protocol):
    """Whoever can look at them."""

    def read(self) -> Mapping[str, Use]:
        """Return the use of the parts that can be seen now."""
        ...


@dataclass(kw_only=True)
class ProcSurroundings:
    """Processes by their pids."""

    pids: Mapping[str, int]
    proc: Path = Path("/proc")
    clock: Callable[[], float] = time.monotonic
    _before: dict[int, tuple[float, float]] = field(default_factory=dict)

    def read(self) -> Mapping[str, Use]:
        """See `Surroundings`."""
        found = {PARTS[name]: self._use(pid) for name, pid in self.pids.items() if name in PARTS}
        return {part: use for part, use in found.items() if use is not None}

    def _use(self, pid: int) -> Use | None:
        try:
            stat = (self.proc / str(pid) / "stat").read_text()
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()
        cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        now, before = self.clock(), self._before.get(pid)
        self._before[pid] = (now, cpu_s)
        cores = None if before is None else (cpu_s - before[1]) / max(now - before[0], 1e-3)
        return Use(cpu=cores, rss_bytes=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"))


@dataclass(kw_only=True)
class EngineSurroundings:
    """Containers, by lines `PROJECT-SERVICE-NUMBER CPU% MEMORY / LIMIT` that are appended."""

    path: Path
    clock: Callable[[], float] = time.monotonic
    _position: int = 0
    _known: dict[str, tuple[float, Use]] = field(default_factory=dict)

    def read(self) -> Mapping[str, Use]:
        """See `Surroundings`. The last line of each container counts, for a few seconds."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._position)
                new = file.read()
        except OSError:
            return {}
        new = new[: new.rfind(b"\n") + 1]
        self._position += len(new)
        now = self.clock()
        for service, percent, size, unit in _LINE.findall(new):
            if part := PARTS.get(service.decode()):
                use = Use(cpu=float(percent) / 100, rss_bytes=float(size) * _UNITS[unit])
                self._known[part] = (now, use)
        return {part: use for part, (at, use) in self._known.items() if now - at <= FRESH_S}


def fields_of(uses: Mapping[str, Use]) -> dict[str, Any]:
    """Return the fields of a sample."""
    found: dict[str, Any] = {}
    for part, use in uses.items():
        found |= {f"{part}_cpu": use.cpu, f"{part}_rss_bytes": use.rss_bytes}
    return found
