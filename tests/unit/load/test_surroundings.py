"""CPU and memory of what is not the service, by /proc and by the engine's statistics."""

import os
from pathlib import Path

import pytest

from tests.load.surroundings import EngineSurroundings, ProcSurroundings, Use, fields_of

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def write_stat(proc: Path, pid: int, *, cpu_s: float, pages: int) -> None:
    """As the kernel writes it: the name may hold blanks and brackets."""
    fields = ["S", *["0"] * 10, str(round(cpu_s * TICKS)), "0", *["0"] * 8, str(pages), "0"]
    (proc / str(pid)).mkdir(exist_ok=True)
    (proc / str(pid) / "stat").write_text(f"{pid} (a) b) {' '.join(fields)}")


def test_processes_tell_cores_since_the_last_look(tmp_path: Path) -> None:
    now = [100.0]
    around = ProcSurroundings(
        pids={"s3": 7, "peers": 8, "api": 9}, proc=tmp_path, clock=lambda: now[0]
    )
    write_stat(tmp_path, 7, cpu_s=5, pages=10)
    assert around.read() == {"store": Use(cpu=None, rss_bytes=10 * PAGE)}
    write_stat(tmp_path, 7, cpu_s=5.5, pages=12)
    now[0] += 2
    assert around.read() == {"store": Use(cpu=0.25, rss_bytes=12 * PAGE)}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")
def test_this_process_has_memory() -> None:
    (use,) = ProcSurroundings(pids={"upstream": os.getpid()}).read().values()
    assert 10**6 < use.rss_bytes < 10**11


def test_the_engine_is_read_along(tmp_path: Path) -> None:
    file, now = tmp_path / "engine.txt", [100.0]
    around = EngineSurroundings(path=file, clock=lambda: now[0])
    assert around.read() == {}
    clear = "\x1b[2J\x1b[H"
    file.write_text(
        f"{clear}fetchbox-dev-0-minio-1 12.50% 100MiB / 1GiB\n"
        "fetchbox-dev-0-iggy-1 0.00% 1.5GiB / 8GiB\nfetchbox-dev-0-api-1 99.00% 10MiB / 1GiB\n"
    )
    first = {
        "store": Use(cpu=0.125, rss_bytes=100 * 2**20),
        "broker": Use(cpu=0.0, rss_bytes=1.5 * 2**30),
    }
    assert around.read() == around.read() == first
    now[0] += 6
    assert around.read() == {}, "what is old is not told any more"
    with file.open("a") as more:
        more.write("p-minio-1 1.00% 1kB / 1GiB\np-minio-1 2.00% 2kB / 1GiB\np-peers-1 5")
    assert around.read() == {"store": Use(cpu=0.02, rss_bytes=2000)}
    with file.open("a") as more:
        more.write("0.00% 3B / 1GiB\np-minio-1 -- -- / --\n")
    now[0] += 6
    assert around.read() == {"proxies": Use(cpu=0.5, rss_bytes=3)}


def test_samples_have_two_fields_for_each_part() -> None:
    assert fields_of({"store": Use(cpu=None, rss_bytes=5)}) == {
        "store_cpu": None,
        "store_rss_bytes": 5,
    }
