"""The load generator works on whatever stack there is, and loses nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.common.context import TestContext

#: PASS and INVALID: a shared machine may be too busy for numbers that say something.
HELD = {0, 3}


@pytest.mark.timeout(120)
def test_a_light_load_is_carried_and_accounted_for(context: TestContext, tmp_path: Path) -> None:
    options = ("--rate", "3", "--duration", "2", "--resources", "3", "--size", "1kB:3,100kB:1")
    more = ("--proxied", "0.3", "--errors", "0.2", "--verify", "all", "--out", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "tests.load", *options, *more],
        env={**os.environ, "SLO": str(_without_promises(tmp_path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode in HELD, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    load = json.loads((tmp_path / "load.json").read_text())
    assert load["manifests"]["accepted"] == load["manifests"]["planned"] == 6
    account, resources = load["account"], load["resources"]
    assert (account["breaches"], account["unexpected"]) == ([], 0)
    assert account["stored"] + account["failed"] == resources["accepted"] == 18
    assert account["stored"] == resources["stored"] == account["objects"] == account["digested"]
    latencies = load["latencies"]
    assert latencies["first_byte"]["count"] == latencies["stored"]["count"] == account["stored"]
    assert latencies["first_byte"]["max_ms"] <= latencies["stored"]["max_ms"]
    assert None not in [each[lag] for each in load["samples"] for lag in ("lag", "reports_lag")]
    assert "<svg" in (tmp_path / "report.html").read_text()
    assert context.stack.addresses.stack == load["stack"]


def _without_promises(folder: Path) -> Path:
    """Leave speed unjudged: other tests run at the same time."""
    path = folder / "slo.toml"
    path.write_text("[slo]\nunexpected_share = 0.0\n")
    return path
