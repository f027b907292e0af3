"""An answer whose body is not wanted is never closed, and keeps its connection for good."""

from typing import Any, Final

SEAM: Final = "fetchbox.fetch.http:HttpResponse.close"
KILLED_BY: Final = (
    "tests/integration/test_bad_upstreams.py::test_answers_nobody_reads_hold_no_connection"
)

_leaked: Final[list[Any]] = []


def mutate(_: Any) -> Any:
    def close(self: Any) -> None:
        _leaked.append(self)  # otherwise the garbage collector would close it

    return close
