"""A page that is not there is asked for again, up to the limit."""

from dataclasses import replace
from typing import Any, Final

from fetchbox.model.failure import Failure

SEAM: Final = "fetchbox.worker.download:http_failure"
KILLED_BY: Final = "tests/integration/test_retries_and_dead_letters.py"


def mutate(original: Any) -> Any:
    def http_failure(status: int, message: str = "") -> Failure | None:
        found: Failure | None = original(status, message)
        return replace(found, retryable=True) if found and status == 404 else found

    return http_failure
