"""An attempt that failed is the last one."""

from typing import Any, Final

from fetchbox.model.failure import Failure
from fetchbox.worker.plan import GiveUp, Step

SEAM: Final = "fetchbox.worker.plan:DownloadPlan.after_origin_failure"
KILLED_BY: Final = "tests/integration/test_retries_and_dead_letters.py"


def mutate(original: Any) -> Any:
    def after_origin_failure(
        self: Any, cause: Failure, *, retry_after_ms: int | None = None
    ) -> Step:
        original(self, cause, retry_after_ms=retry_after_ms)
        return GiveUp(cause)

    return after_origin_failure
