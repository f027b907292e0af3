"""Ends the processes of a stack whose runner was killed. A process of its own, stdlib only.

Reads process group numbers from standard input, one a line. At its end every group is ended, and
the folder named on the command line removed: a runner that ended properly has left nothing to do.
"""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from typing import Final

#: How long a group has to end by itself: a supervisor takes its command along.
GRACE_S: Final = 6.0


def _signal(groups: set[int], number: int) -> set[int]:
    """Signal the groups; return those that exist."""
    there = set()
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
            there.add(group)
    return there


def main() -> None:
    """Hold out until standard input is closed, by the runner or by its death."""
    groups = {int(line) for line in sys.stdin}
    _signal(groups, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while groups and time.monotonic() < deadline:
        time.sleep(0.05)
        groups = _signal(groups, 0)
    _signal(groups, signal.SIGKILL)
    shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    main()
