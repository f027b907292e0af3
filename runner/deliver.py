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
    if not os.access(target, os.W_OK):
        return (
            f"results: {target} is not writable for user {os.getuid()}; copy them with\n"
            f"  docker cp {os.uname().nodename}:{artifacts}/. artifacts/"
        )
    (target / SENTINEL).unlink(missing_ok=True)
    for old in ("tests", "services", "logs"):
        shutil.rmtree(target / old, ignore_errors=True)
    shutil.copytree(artifacts, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(SENTINEL))
    if (artifacts / SENTINEL).exists():
        shutil.copy2(artifacts / SENTINEL, target / SENTINEL)
    return "results: in artifacts/"
