"""Tasks are queued before the ledger has the job: a worker's report comes before the row does."""

import asyncio
from copy import copy
from typing import Any, Final

from fetchbox.ledger.port import NewJob

SEAM: Final = "fetchbox.intake.accept:Intake._create"
KILLED_BY: Final = (
    "tests/integration/test_ingest_to_storage.py::test_an_accepted_job_is_visible_at_once"
)

#: Long enough for a worker to report what was queued.
_LATER_S: Final = 0.3


class _LateLedger:
    """Writes the row when it is told that the tasks are queued, and not before."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger
        self._job: NewJob | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def create_job(self, job: NewJob) -> None:
        self._job = job

    async def mark_published(self, job_id: str, **facts: Any) -> None:
        await asyncio.sleep(_LATER_S)
        await self._ledger.create_job(self._job)
        await self._ledger.mark_published(job_id, **facts)


def mutate(original: Any) -> Any:
    async def create(self: Any, request: Any, registered: Any) -> Any:
        late = copy(self)
        late._ledger = _LateLedger(self._ledger)
        return await original(late, request, registered)

    return create
