"""Faults planted into real load runs: numbers that say nothing are called so, a stall shows."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner.host import look_at_host
from runner.waiting import wait_until
from tests.common.supervisor import Supervised

# They need the machine to themselves, or use it up.
pytestmark = [pytest.mark.disruptive, pytest.mark.timeout(120)]

INVALID = 3
STALL_S = 1.0
#: Of the CPU, in percent; the average of 10 s takes as long again to come to the 60 of slo.toml.
PRESSURE = 30


@dataclass(frozen=True, kw_only=True)
class LoadRun:
    """A run of the load generator that is under way."""

    process: "subprocess.Popen[str]"
    out: Path

    def await_first_second(self) -> None:
        """Return when it is sending."""
        assert self.process.stdout is not None
        assert any("accept p50" in line for line in self.process.stdout), "it never sent"

    def result(self) -> tuple[int, dict[str, Any]]:
        """Return its exit code and its load.json."""
        output, _ = self.process.communicate(timeout=90)
        assert (self.out / "load.json").exists(), output[-2000:]
        return self.process.returncode, json.loads((self.out / "load.json").read_text())


@contextmanager
def load(out: Path, *options: str) -> Iterator[LoadRun]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.load", "--size", "1kB", "--out", str(out), *options],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield LoadRun(process=process, out=out)
        finally:
            process.terminate()


def await_end_of_stall() -> None:
    """Let a fault last as long as it should."""
    end = time.monotonic() + STALL_S
    wait_until(lambda: time.monotonic() >= end, STALL_S + 5, "the end of the stall")


def test_a_generator_that_stands_still_makes_its_run_invalid(tmp_path: Path) -> None:
    with load(tmp_path, "--rate", "10", "--duration", "4", "--resources", "1") as run:
        run.await_first_second()
        run.process.send_signal(signal.SIGSTOP)
        await_end_of_stall()
        run.process.send_signal(signal.SIGCONT)
        code, document = run.result()
    assert (code, document["verdict"]) == (INVALID, "INVALID")
    assert "the generator was late" in " ".join(document["reasons"]["invalid"])
    assert document["manifests"]["planned"] == document["manifests"]["accepted"] == 40


def test_an_upstream_that_cannot_give_enough_makes_a_run_invalid(tmp_path: Path) -> None:
    burst = ("--rate", "5000", "--duration", "0.002", "--resources", "30")
    with load(tmp_path, *burst) as run:
        code, document = run.result()
    assert (code, document["verdict"]) == (INVALID, "INVALID")
    assert "the upstream was the limit: 150000 requests/s" in " ".join(
        document["reasons"]["invalid"]
    )


@contextmanager
def busy_machine() -> Iterator[None]:
    """Keep every CPU busy several times over, until tasks wait for one most of the time."""
    hogs = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(4 * (os.cpu_count() or 1))
    ]
    try:
        wait_until(
            lambda: (look_at_host(os.environ, Path.cwd()).cpu_pressure or 0) > PRESSURE + 10,
            40,
            "tasks to wait for a CPU",
        )
        yield
    finally:
        for hog in hogs:
            hog.kill()
        for hog in hogs:
            hog.wait()


def test_a_cpu_hog_makes_a_run_invalid(tmp_path: Path) -> None:
    if look_at_host(os.environ, tmp_path).cpu_pressure is None:
        pytest.skip("this kernel has no /proc/pressure")
    limits = tmp_path / "slo.toml"
    limits.write_text(f"[valid]\ncpu_pressure = {PRESSURE}\n")
    options = ("--rate", "2", "--duration", "3", "--slo", str(limits))
    with busy_machine(), load(tmp_path, *options) as run:
        code, document = run.result()
    assert (code, document["verdict"]) == (INVALID, "INVALID")
    assert "tasks waited for cpu" in " ".join(document["reasons"]["invalid"])


def test_a_stall_of_the_service_shows_in_p99(tmp_path: Path, api: Supervised) -> None:
    """What was due meanwhile is counted from then on, though the generator could not know."""
    with load(tmp_path, "--rate", "10", "--duration", "5", "--resources", "1") as run:
        run.await_first_second()
        with api.frozen():
            await_end_of_stall()
        _, document = run.result()
    accept = document["latencies"]["accept"]
    assert accept["p99_ms"] > 800
    assert accept["p50_ms"] < 500
    assert "accept p99" in " ".join(document["reasons"]["missed"])
    assert document["account"]["breaches"] == []
