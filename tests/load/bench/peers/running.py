"""A peer that is a command: run to its end, with the CPU of it and of what it started."""

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.load.bench.arms import LIMIT_S

#: As the S3 of every plane knows them.
KEYS: Final = {
    "AWS_ACCESS_KEY_ID": "bench-key",
    "AWS_SECRET_ACCESS_KEY": "bench-secret",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a command took, and what it wrote to its output."""

    seconds: float
    cpu_s: float
    output: str


def spend(
    command: Sequence[object], folder: Path, environment: Mapping[str, str] | None = None
) -> Spent:
    """Run a command; raises RuntimeError with the last line of its log where it fails."""
    log = folder / "peer.log"
    before, started = _cpu_of_children(), time.perf_counter()
    with log.open("wb") as errors:
        process = subprocess.run(
            [str(word) for word in command],
            env=os.environ | KEYS | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
    seconds = time.perf_counter() - started
    if process.returncode:
        last = log.read_text(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {last}")
    return Spent(seconds=seconds, cpu_s=_cpu_of_children() - before, output=process.stdout)


def _cpu_of_children() -> float:
    """CPU seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
