"""A job type's max_parallel_downloads limits nothing."""

from dataclasses import replace
from typing import Any, Final

from fetchbox.handlers.port import HandlerConfig

SEAM: Final = "fetchbox.worker.target:Router.config"
KILLED_BY: Final = "tests/integration/test_limits.py"


def mutate(original: Any) -> Any:
    def config(self: Any, job_type: str) -> HandlerConfig:
        found: HandlerConfig = original(self, job_type)
        return replace(found, options={})

    return config
