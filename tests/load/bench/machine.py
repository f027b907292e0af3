"""What the figures were measured on, and how much of it somebody else took."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Self


def facts() -> dict[str, str]:
    """Tell what the figures were measured on."""
    cpu = _first(r"model name\s*: (.+)", "/proc/cpuinfo")
    memory = _first(r"MemTotal:\s+(\d+)", "/proc/meminfo") or "0"
    return {
        "cpu": f"{os.cpu_count()} x {cpu}",
        "memory": f"{int(memory) / (1 << 20):.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("fetchbox", "aiohttp", "obstore", "uvloop")},
        "commit": _commit(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def is_same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two sets of figures were measured on the same machine."""
    return all(one.get(name) == other.get(name) for name in ("cpu", "memory", "kernel"))


def _first(pattern: str, path: str) -> str:
    found = re.search(pattern, Path(path).read_text()) if Path(path).exists() else None
    return found[1].strip() if found else ""


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """The machine's clock ticks so far: all of them, and those the hypervisor gave to others."""

    total: int
    stolen: int

    @classmethod
    def read(cls) -> Self:
        """Read them from the kernel."""
        fields = [int(each) for each in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        return cls(total=sum(fields), stolen=fields[7])

    def stolen_since(self, earlier: Self) -> float:
        """Return which share of the time since then was stolen."""
        return (self.stolen - earlier.stolen) / (self.total - earlier.total or 1)
