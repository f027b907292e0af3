"""How the machine stood: pressure (PSI), memory, load and disk. Reads files, starts nothing.

`FETCHBOX_TEST_PROC` names another /proc, for a container that is shown its host's, and for tests.
"""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = "FETCHBOX_TEST_PROC"
_AVERAGE: Final = re.compile(r"^some avg10=([\d.]+)", re.MULTILINE)
_AVAILABLE: Final = re.compile(r"^MemAvailable:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One look; None is what this system does not tell."""

    #: Share of the last 10 s in which some task waited, in percent.
    cpu_pressure: float | None = None
    io_pressure: float | None = None
    memory_pressure: float | None = None
    load: float | None = None
    memory_free_bytes: int | None = None
    disk_free_bytes: int | None = None

    def shown(self) -> dict[str, str]:
        """Say it in words, leaving out what is not known."""
        percent = {
            "CPU pressure": self.cpu_pressure,
            "I/O pressure": self.io_pressure,
            "memory pressure": self.memory_pressure,
        }
        words = {name: f"{value:.0f} %" for name, value in percent.items() if value is not None}
        if self.load is not None:
            words["load"] = f"{self.load:.1f}"
        free = {"memory free": self.memory_free_bytes, "disk free": self.disk_free_bytes}
        return words | {
            name: f"{size / (1 << 30):.1f} GiB" for name, size in free.items() if size is not None
        }


def look_at_host(environment: Mapping[str, str], folder: Path) -> Host:
    """Look now; the disk is the one of `folder`."""
    proc = Path(environment.get(PROC) or "/proc")
    load = _text(proc / "loadavg").split()
    memory = _AVAILABLE.search(_text(proc / "meminfo"))
    return Host(
        cpu_pressure=_pressure(proc, "cpu"),
        io_pressure=_pressure(proc, "io"),
        memory_pressure=_pressure(proc, "memory"),
        load=float(load[0]) if load else None,
        memory_free_bytes=int(memory[1]) * 1024 if memory else None,
        disk_free_bytes=shutil.disk_usage(folder).free if folder.exists() else None,
    )


def _pressure(proc: Path, of: str) -> float | None:
    found = _AVERAGE.search(_text(proc / "pressure" / of))
    return float(found[1]) if found else None


def _text(path: Path) -> str:
    """Read a file, empty where there is none: not every kernel has all of them."""
    try:
        return path.read_text()
    except OSError:
        return ""
