"""G12: the integration tests share one stack and run side by side, at the speed of their stack.

Compared with the same tests on a stack per module. Only with FULL=1: that takes six minutes. The
results of these runs are not left in artifacts/.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runner.__main__ import NOTHING_RAN, PASSED
from tests.load.bench.floor import AbsentError
from tests.load.bench.score import Finding, Score
from tests.load.bench.setup import Bench

GOAL: Final = "G12"
#: Of the time with one stack per module.
SHARE: Final = 1 / 5
MODULES: Final = Path("tests/integration")
NEEDS_FULL: Final = "the suite against one stack per module: FULL=1, about six minutes"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRun:
    """One run of the runner: seconds by phase, how many tests ran, how long the slowest took."""

    phases: Mapping[str, float]
    ran: int
    slowest_s: float

    @property
    def seconds(self) -> float:
        """From nothing to nothing."""
        return self.phases["in all"]


def measure(bench: Bench) -> Sequence[Finding]:
    """Run the suite once warm, then every module alone; a trial takes one module for all."""
    if not bench.is_thorough:
        raise AbsentError(NEEDS_FULL)
    modules = sorted(MODULES.glob("test_*.py"))[: 1 if bench.trial else None]
    suite = [str(module) for module in modules] if bench.trial else []
    _run(*suite)  # warms the caches
    whole = _run(*suite)
    print(f"  {GOAL} one stack: {_waterfall(whole)}", flush=True)
    alone = [run for module in modules if (run := _module(module)).ran]
    return [score_of(whole, alone)]


def expected_s(bench: Bench) -> float:
    """As measured on two cores; nothing without FULL."""
    return bench.pick(trial=60, usual=0, full=400)


def score_of(whole: SuiteRun, alone: Sequence[SuiteRun]) -> Score:
    """Compare; modules of which nothing ran on this stack do not count."""
    apart_s = sum(run.seconds for run in alone)
    ratio = whole.seconds / apart_s
    start_s = whole.phases.get("start", 0.0)
    return Score(
        goal=GOAL,
        workload=f"make e2e, warm, embedded stack, {whole.ran} tests",
        plane="",
        ours=whole.seconds,
        reference=apart_s,
        ratio=ratio,
        low95=ratio,
        high95=ratio,
        target=SHARE,
        unit=" s",
        against=f"one stack per module ({len(alone)})",
        better="lower",
        notes=f"{_waterfall(whole)}; start and slowest test {start_s + whole.slowest_s:.1f} s;"
        f" a module alone {statistics.median(run.seconds for run in alone):.1f} s",
    )


def _waterfall(run: SuiteRun) -> str:
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in run.phases.items())


def _module(module: Path) -> SuiteRun:
    run = _run(str(module))
    print(f"  {GOAL} {module.name} alone: {run.ran} tests, {run.seconds:.1f} s", flush=True)
    return run


def _run(*arguments: str) -> SuiteRun:
    """Run the embedded stack with these pytest arguments; raises RuntimeError when tests fail.

    Modules that need another stack skip all they have, and are told from a suite that broke.
    """
    command = [sys.executable, "-m", "runner", "test", "--", *arguments]
    with tempfile.TemporaryDirectory(prefix="fetchbox-bench-") as results:
        own = os.environ | {"FETCHBOX_TEST_ARTIFACTS": results}
        done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
        if done.returncode not in {PASSED, NOTHING_RAN}:
            raise RuntimeError(f"`{' '.join(command[1:])}`:\n{(done.stdout + done.stderr)[-2000:]}")
        document = json.loads((Path(results) / "run.json").read_text())
        junit = ET.parse(Path(results) / "junit.xml").getroot()  # noqa: S314  # our own
    run = suite_run(document, junit)
    if done.returncode == NOTHING_RAN and (run.ran or not arguments):
        raise RuntimeError(f"`{' '.join(command[1:])}` broke:\n{done.stderr[-2000:]}")
    return run


def suite_run(document: Mapping[str, Any], junit: ET.Element) -> SuiteRun:
    """Read what the runner has written of a run."""
    ran = [case for case in junit.iter("testcase") if case.find("skipped") is None]
    return SuiteRun(
        phases=dict(document["times"]),
        ran=len(ran),
        slowest_s=max((float(case.get("time", 0)) for case in ran), default=0.0),
    )
