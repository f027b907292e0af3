"""`make bench-memory`: how much a worker grows while eight large bodies pass through at once.

Known length and chunked. Exit 1 when it grows by more than the limit.
"""

import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.load.bench.floor import AbsentError, build_floor, floor
from tests.load.bench.objects import make_bucket
from tests.load.bench.service import BUCKET, Service, drive, manifest_of, running

MIB: Final = 1 << 20
BODIES: Final = 8
BODY_BYTES: Final = 256 * MIB
LIMIT_BYTES: Final = 128 * MIB
#: Paths of the origin: with a Content-Length, and chunked without one.
KINDS: Final = {"known length": "b", "chunked": "c"}


def memory_of(pid: int, field: str) -> int:
    """Read VmRSS or VmHWM of a process, in bytes."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def grown_by(service: Service, origin: str, kind: str) -> int:
    """Return how far the worker's peak rises above what it held before, in bytes."""
    pid = service.workers[0].pid
    warm = {f"warm-{number}": f"{origin}/b/1024/{kind}-{number}" for number in range(64)}
    drive(service, [manifest_of(warm)])
    idle = memory_of(pid, "VmRSS")
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak starts anew
    bodies = {f"{each}": f"{origin}/{kind}/{BODY_BYTES}/{each}" for each in range(BODIES)}
    drive(service, [manifest_of(bodies)])
    return memory_of(pid, "VmHWM") - idle


def main() -> int:
    """Measure both kinds on one worker."""
    try:
        binary = build_floor(Path(".cache/bench"))
    except AbsentError as error:
        print(f"cannot measure: {error}")
        return 3
    print(f"{BODIES} bodies of {BODY_BYTES // MIB} MiB at once, one worker:")
    with (
        tempfile.TemporaryDirectory(prefix="fetchbox-bench-") as name,
        floor(binary, "origin") as origin,
        floor(binary, "sink") as s3,
    ):
        make_bucket(s3, BUCKET)
        with running(Path(name), s3) as service:
            grown = {name: grown_by(service, origin, kind) for name, kind in KINDS.items()}
    for name, size in grown.items():
        verdict = "met" if size <= LIMIT_BYTES else "MISSED"
        print(f"  {name:13} +{size / MIB:.0f} MiB of {LIMIT_BYTES // MIB} MiB  {verdict}")
    return 0 if max(grown.values()) <= LIMIT_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
