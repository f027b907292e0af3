"""The lock that keeps a ledger to one process. The kernel frees it when its holder dies."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from fetchbox.ledger.port import LedgerError


class FolderLock:
    """A locked file in a folder; not reentrant, also within a process."""

    def __init__(self, path: Path) -> None:
        """`path` is the file; it is left behind when the lock is released."""
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Make the folder and take the lock, or raise LedgerError."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+")
        except OSError as error:
            msg = (
                f"the ledger folder {self._path.parent} cannot be used: {error.strerror}; "
                "set server.ledger_path to a folder this process may write"
            )
            raise LedgerError(msg) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(file)
            file.close()
            msg = (
                f"the ledger in {self._path.parent} is in use by {holder}; only one process may "
                "open it: stop that one, go through its API, or set another server.ledger_path"
            )
            raise LedgerError(msg) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let others have it. Harmless to repeat."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _holder(file: IO[str]) -> str:
    with suppress(OSError):
        file.seek(0)
        if pid := file.read().strip():
            return f"process {pid}"
    return "another process"
