"""G6: large bodies pass at the speed of the slower end, and no worker grows with them.

The ends alone are measured by the Go program: eight GETs thrown away, eight PUTs out of memory.
Both at once is what the machine could carry if nothing lay between them. On T only with FULL=1: the
ends are slower there, the worker is the same.
"""

import json
import re
import shutil
import statistics
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.load.bench.arms import Ends
from tests.load.bench.floor import floor
from tests.load.bench.objects import bodies_in, make_bucket, possible_etags, presigned_put
from tests.load.bench.rounds import interleave
from tests.load.bench.score import Absence, Finding, Score
from tests.load.bench.service import BUCKET, Run, drive, manifest_of, running
from tests.load.bench.setup import TMPFS, Bench

GOAL: Final = "G6"
#: Target and stretch target, by the slower end.
SPEED: Final = (0.90, 0.95)
#: Peak memory, by that of the same number of small bodies.
MEMORY: Final = 1.10

BODIES: Final = 8
SMALL_MIB: Final = 16
MIB: Final = 1 << 20
#: Paths of the origin: with a Content-Length, and chunked without one.
KINDS: Final = {"known": "b", "unknown": "c"}
#: Of what is stored; the rest of a tmpfs is left alone.
ROOM: Final = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage(Run):
    """A run that counts MiB; of the service also the worker's peak, in bytes."""

    peak: int = 0


def measure(bench: Bench) -> Sequence[Finding]:
    """Measure both kinds of body on every plane that has room, and time, for them."""
    mebibytes = bench.pick(trial=32, usual=256, full=1024)
    found: list[Finding] = []
    for plane in bench.planes:
        if plane == "T" and not bench.is_thorough:
            found.append(Absence(goal=GOAL, what="plane T: FULL=1"))
        elif plane == "T" and (missing := _missing_room(BODIES * mebibytes * MIB)):
            found.append(Absence(goal=GOAL, what=missing))
        else:
            found.extend(_on_plane(bench, plane, mebibytes))
    return found


def expected_s(bench: Bench) -> float:
    """Start-ups and the bytes, at some 700 MiB/s, as measured on two cores."""
    gib_per_round = bench.pick(trial=1, usual=10, full=42)
    planes = len(bench.planes) if bench.is_thorough else 1
    return planes * bench.few_rounds * (15 + 1.5 * gib_per_round)


def _missing_room(size: int) -> str | None:
    free = shutil.disk_usage(TMPFS).free
    if free >= ROOM * size:
        return None
    return f"plane T: {ROOM * size / 2**30:.1f} GiB free in {TMPFS}; there are {free / 2**30:.1f}"


def _on_plane(bench: Bench, plane: str, mebibytes: int) -> list[Finding]:
    arms: dict[str, Callable[[Ends], Passage]] = {
        "origin": partial(_origin_arm, bench.binary, mebibytes),
        "S3": partial(_s3_arm, bench.binary, mebibytes),
        "both": partial(_both_arm, bench.binary, mebibytes),
    }
    arms |= {
        f"{kind} {size}": partial(_service_arm, plane, kind, size)
        for kind in KINDS
        for size in (SMALL_MIB, mebibytes)
    }
    runners = {name: partial(_on_fresh_ends, bench, plane, arm) for name, arm in arms.items()}
    rounds = interleave(runners, bench.few_rounds, f"{GOAL} {plane}")
    return [
        score
        for kind in KINDS
        for score in (
            speed_score(rounds, plane, kind, mebibytes),
            memory_score(rounds, plane, kind, mebibytes),
        )
    ]


def _on_fresh_ends(bench: Bench, plane: str, arm: Callable[[Ends], Passage]) -> Passage:
    with tempfile.TemporaryDirectory(prefix="fetchbox-bench-") as name:
        folder = Path(name)
        with floor(bench.binary, "origin") as origin, bench.sink(plane)(folder) as s3:
            make_bucket(s3, BUCKET)
            return arm(Ends(origin=origin, s3=s3, folder=folder))


# The ends, each alone and both at once.


def _gets(binary: Path, mebibytes: int, ends: Ends) -> "subprocess.Popen[bytes]":
    urls = [f"{ends.origin}/b/{mebibytes * MIB}/{each}" for each in range(BODIES)]
    return subprocess.Popen([binary, "get", *urls], stdout=subprocess.PIPE)


def _puts(binary: Path, mebibytes: int, ends: Ends) -> "subprocess.Popen[bytes]":
    urls = [presigned_put(ends.s3, BUCKET, f"alone-{each}") for each in range(BODIES)]
    return subprocess.Popen([binary, "put", str(mebibytes * MIB), *urls], stdout=subprocess.PIPE)


def _ended(mebibytes: int, *clients: "subprocess.Popen[bytes]") -> Passage:
    answers = [client.communicate()[0] for client in clients]
    if any(client.returncode for client in clients):
        raise RuntimeError("an end alone could not be measured")
    seconds = max(json.loads(answer)["seconds"] for answer in answers)
    return Passage(seconds=seconds, cpu_s={}, count=BODIES * mebibytes)


def _origin_arm(binary: Path, mebibytes: int, ends: Ends) -> Passage:
    return _ended(mebibytes, _gets(binary, mebibytes, ends))


def _s3_arm(binary: Path, mebibytes: int, ends: Ends) -> Passage:
    return _ended(mebibytes, _puts(binary, mebibytes, ends))


def _both_arm(binary: Path, mebibytes: int, ends: Ends) -> Passage:
    return _ended(mebibytes, _gets(binary, mebibytes, ends), _puts(binary, mebibytes, ends))


# The service.


def _service_arm(plane: str, kind: str, mebibytes: int, ends: Ends) -> Passage:
    """Copy the bodies with a worker of its own, then check that every one is there and right."""
    urls = {f"{n}": f"{ends.origin}/{KINDS[kind]}/{mebibytes * MIB}/{n}" for n in range(BODIES)}
    with running(ends.folder, ends.s3) as service:
        run = drive(service, [manifest_of(urls)])
        peak = _peak_of(service.workers[0].pid)
    stored = bodies_in(plane, ends.s3, BUCKET)
    block = _read(f"{ends.origin}/b/{MIB}/block")
    right = sum(stored[mebibytes * MIB, etag] for etag in possible_etags(block, mebibytes))
    if right != BODIES:
        raise RuntimeError(f"plane {plane}: {right} right objects were stored of {BODIES}")
    return Passage(seconds=run.seconds, cpu_s=run.cpu_s, count=BODIES * mebibytes, peak=peak)


def _peak_of(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:  # noqa: S310  # an address of our own
        body: bytes = answer.read()
        return body


# Scores.


def speed_score(
    rounds: Sequence[Mapping[str, Passage]], plane: str, kind: str, mebibytes: int
) -> Score:
    ours = [each[f"{kind} {mebibytes}"].per_s for each in rounds]
    slower = [min(each["origin"].per_s, each["S3"].per_s) for each in rounds]
    ends = ", ".join(
        f"{name} {statistics.median([each[name].per_s for each in rounds]):,.0f}"
        for name in ("origin", "S3", "both")
    )
    return Score.of_rounds(
        ours,
        slower,
        goal=GOAL,
        workload=f"{BODIES} x {mebibytes} MiB, {kind} length",
        plane=plane,
        target=SPEED[0],
        stretch=SPEED[1],
        unit=" MiB/s",
        against="the slower end alone",
        notes=f"MiB/s of the ends: {ends} at once",
    )


def memory_score(
    rounds: Sequence[Mapping[str, Passage]], plane: str, kind: str, mebibytes: int
) -> Score:
    ours = [each[f"{kind} {mebibytes}"].peak / MIB for each in rounds]
    small = [each[f"{kind} {SMALL_MIB}"].peak / MIB for each in rounds]
    return Score.of_rounds(
        ours,
        small,
        goal=GOAL,
        workload=f"peak memory, {kind} length",
        plane=plane,
        target=MEMORY,
        unit=" MiB",
        against=f"{BODIES} x {SMALL_MIB} MiB",
        better="lower",
    )
