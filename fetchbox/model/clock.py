"""Time as values: milliseconds since the Unix epoch, and how they are shown."""

from collections.abc import Callable
from datetime import UTC, datetime

#: Returns the current time in Unix milliseconds. Passed in, never read here.
Clock = Callable[[], int]


def rfc3339(at_ms: int) -> str:
    """Show `at_ms` as RFC 3339 in UTC with millisecond precision and a `Z`."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
