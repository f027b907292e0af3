"""202 is sent before the tasks are queued: an API that dies then has lost an accepted job."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from fetchbox.ledger.port import NewJob

SEAM: Final = "fetchbox.intake.queueing:JobQueue.publish"
KILLED_BY: Final = (
    "tests/integration/test_crashes.py::test_the_ledger_catches_up_after_the_api_was_killed"
)

_LATER_S: Final = 0.5
_later: Final[set[asyncio.Task[None]]] = set()


def mutate(original: Any) -> Any:
    async def publish(self: Any, job: NewJob, payloads: Sequence[bytes], *, now_ms: int) -> None:
        async def publish_later() -> None:
            await asyncio.sleep(_LATER_S)
            await original(self, job, payloads, now_ms=now_ms)

        task = asyncio.get_running_loop().create_task(publish_later())
        _later.add(task)
        task.add_done_callback(_later.discard)

    return publish
