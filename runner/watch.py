"""Runs tests whenever code changes: for the container, whose code is that of the repository."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

WATCHED: Final = ("fetchbox", "mocks", "runner", "tests", "examples", "pyproject.toml")
LOOK_EVERY_S: Final = 0.5


def changes(root: Path) -> dict[Path, float]:
    """Return when each file of the code was last written."""
    found = (path for name in WATCHED for path in ((root / name), *(root / name).rglob("*.*")))
    return {
        path: path.stat().st_mtime
        for path in found
        if path.is_file() and "__pycache__" not in path.parts
    }


def watch(root: Path, environment: Mapping[str, str], arguments: Sequence[str]) -> None:
    """Run pytest now and after every change, until interrupted."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=short"]
    while True:
        seen = changes(root)
        subprocess.run(
            [*command, *(arguments or ["tests/integration", "-m", "not disruptive"])],
            cwd=root,
            env=dict(environment),
            check=False,
        )
        print("watching for changes; Ctrl-C ends", flush=True)
        while changes(root) == seen:
            time.sleep(LOOK_EVERY_S)
