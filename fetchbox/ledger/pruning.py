"""Removing jobs that are too old or too many (contract 6.6).

Each function is one step inside a write transaction, repeated until it has nothing left to do, so
that other writers get in between.
"""

from collections.abc import Iterable
from typing import Final

import apsw

#: A step ends after so many jobs, or when their resources are so many.
STEP_JOBS: Final = 200
STEP_RESOURCES: Final = 5000
STEP_KEYS: Final = 5000
STEP_PAGES: Final = 1000

_OLD: Final = """
    SELECT id, completed + failed FROM job WHERE updated_at < ? ORDER BY updated_at LIMIT ?
"""
_ENDED: Final = """
    SELECT id, completed + failed FROM job INDEXED BY job_by_update
    WHERE state IN ('completed', 'failed', 'partial') ORDER BY updated_at LIMIT ?
"""
_OLD_KEYS: Final = """
    DELETE FROM idempotency WHERE (tenant, job_type, key) IN
        (SELECT tenant, job_type, key FROM idempotency WHERE created_at < ? LIMIT ?)
"""


def remove_old(connection: apsw.Connection, before_ms: int) -> int:
    """Remove jobs that nothing has happened to since; return how many."""
    return _remove(connection, connection.execute(_OLD, (before_ms, STEP_JOBS)))


def remove_surplus(connection: apsw.Connection, max_bytes: int) -> int:
    """Remove the oldest ended jobs while the ledger is too large; return how many."""
    if used_bytes(connection) <= max_bytes:
        return 0
    return _remove(connection, connection.execute(_ENDED, (STEP_JOBS,)))


def remove_keys(connection: apsw.Connection, before_ms: int) -> int:
    """Forget idempotency keys of before; return how many."""
    connection.execute(_OLD_KEYS, (before_ms, STEP_KEYS))
    return int(connection.changes())


def compact(connection: apsw.Connection) -> int:
    """Give free pages back to the file system; return how many more can be."""
    free = int(connection.pragma("freelist_count"))
    connection.execute(f"PRAGMA incremental_vacuum({STEP_PAGES})").fetchall()
    left = int(connection.pragma("freelist_count"))
    return left if left < free else 0


def used_bytes(connection: apsw.Connection) -> int:
    """Return the size of the database without its free pages."""
    pages = int(connection.pragma("page_count")) - int(connection.pragma("freelist_count"))
    return pages * int(connection.pragma("page_size"))


def _remove(connection: apsw.Connection, found: Iterable[tuple[int, int]]) -> int:
    chosen: list[tuple[int]] = []
    resources = 0
    for job, count in list(found):
        chosen.append((job,))
        resources += count
        if resources >= STEP_RESOURCES:
            break
    connection.executemany("DELETE FROM resource WHERE job = ?", chosen)
    connection.executemany("DELETE FROM job WHERE id = ?", chosen)
    return len(chosen)
