"""A server error is taken for the resource: its body is stored and the task completes."""

from typing import Any, Final

from fetchbox.model.failure import Failure

SEAM: Final = "fetchbox.worker.download:http_failure"
KILLED_BY: Final = "tests/integration/test_retries_and_dead_letters.py"


def mutate(original: Any) -> Any:
    def http_failure(status: int, message: str = "") -> Failure | None:
        found: Failure | None = None if status >= 500 else original(status, message)
        return found

    return http_failure
