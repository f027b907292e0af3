"""Run the `fetchbox` command as a user does; nothing of the caller's environment leaks in."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import which
from typing import Final

TIMEOUT_S: Final = 45.0


def fetchbox_command() -> str | None:
    """Find the command beside this interpreter, else on PATH."""
    beside = Path(sys.executable).with_name("fetchbox")
    return str(beside) if beside.exists() else which("fetchbox")


def clean_environment() -> dict[str, str]:
    """Return what every process needs, and no setting of the service."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


def run_fetchbox(*args: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run it to its end; the caller looks at the exit code."""
    command = fetchbox_command()
    assert command, "the fetchbox command is not installed here; pip install it"
    return subprocess.run(
        [command, *args],
        env={**clean_environment(), "NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        stdin=subprocess.DEVNULL,
    )
