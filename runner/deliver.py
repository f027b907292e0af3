"""Brings the results out of the runner's container: from its volume to the folder of the caller.

The folder belongs to whoever started the stack and may not be ours to write: then the command that
copies them is shown instead.
"""

import os
import shutil
from pathlib import Path
from typing import Final

#: The folder; unset where somebody else collects the results.
TO: Final = "FETCHBOX_TEST_DELIVER_TO"
SENTINEL: Final = "SENTINEL"


def keep_logs(logs: Path, artifacts: Path) -> None:
    """Put the services' logs beside the results, where they are not there anyway."""
    if logs.is_dir() and logs != artifacts / "logs":
        shutil.rmtree(artifacts / "logs", ignore_errors=True)
        shutil.copytree(logs, artifacts / "logs")


def deliver(artifacts: Path, target: Path) -> str:
    """Copy everything and say where it is; the sentinel goes last."""
    try:
        _copy(artifacts, target)
    except OSError as error:
        return (
            f"results: user {os.getuid()} cannot write to {target} ({error.strerror or error});"
            f" copy them with\n  docker cp {os.uname().nodename}:{artifacts}/. artifacts/"
        )
    return "results: in artifacts/"


def _copy(artifacts: Path, target: Path) -> None:
    (target / SENTINEL).unlink(missing_ok=True)
    for old in ("tests", "services", "logs"):
        shutil.rmtree(target / old, ignore_errors=True)
    for path in sorted(artifacts.iterdir(), key=lambda path: path.name == SENTINEL):
        if path.is_dir():
            shutil.copytree(path, target / path.name, dirs_exist_ok=True)
        else:
            (target / path.name).unlink(missing_ok=True)
            shutil.copyfile(path, target / path.name)
