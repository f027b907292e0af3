"""The first proxy that fails ends the task; its fallbacks are not tried."""

from typing import Any, Final

from fetchbox.model.failure import Failure
from fetchbox.worker.plan import GiveUp, Step

SEAM: Final = "fetchbox.worker.plan:DownloadPlan.after_proxy_failure"
KILLED_BY: Final = "tests/integration/test_proxy_fallback.py"


def mutate(original: Any) -> Any:
    def after_proxy_failure(self: Any, cause: Failure) -> Step:
        original(self, cause)
        return GiveUp(cause)

    return after_proxy_failure
