"""Telling that jobs have ended: the terminal JobStatus, then finalize_job, once per job."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fetchbox.broker.port import Broker
from fetchbox.broker.streams import STATUS
from fetchbox.handlers.port import JobSummary
from fetchbox.handlers.registry import HandlerRegistry
from fetchbox.ledger.port import Ledger
from fetchbox.model.clock import Clock
from fetchbox.model.failure import FailureCode
from fetchbox.model.job import Job
from fetchbox.model.outcome import StatusEvent
from fetchbox.wire.codec import encode_status

logger = logging.getLogger(__name__)

SOURCE: Final = "ledger"
#: What the wire can say; a foreign producer may have claimed more.
_MAX_COUNT: Final = 2**32 - 1
#: A handler that hangs must not keep every other job from being tracked.
FINALIZE_TIMEOUT_S: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcer:
    """Announces ends; repeating an announcement is harmless."""

    broker: Broker
    ledger: Ledger
    handlers: HandlerRegistry
    clock: Clock

    async def announce(self, job: Job) -> None:
        """Publish that `job` has ended, then let its handler know, unless it was told before.

        Raises BrokerUnavailableError and LedgerError; call again.
        """
        payload = encode_status(_status(job))
        await self.broker.publish(STATUS, job.job_id, [payload])
        if await self.ledger.mark_finalized(job.job_id, now_ms=self.clock()):
            await self._finalize(job)

    async def announce_all(self, jobs: Sequence[Job]) -> None:
        """Announce jobs side by side; all are tried before the first error is raised."""
        results = await asyncio.gather(*map(self.announce, jobs), return_exceptions=True)
        for error in results:
            if isinstance(error, BaseException):
                raise error

    async def _finalize(self, job: Job) -> None:
        """Call the handler; whatever it does stays here (contract 5.10)."""
        if not self.handlers.has(job.job_type):
            return
        handler = self.handlers.get(job.job_type).handler
        try:
            async with asyncio.timeout(FINALIZE_TIMEOUT_S):
                await handler.finalize_job(_summary(job))
        except Exception:  # the boundary to code of others
            ids = {"job_id": job.job_id, "job_type": job.job_type}
            code = FailureCode.HANDLER_FINALIZATION
            logger.exception("finalize_job failed", extra={"code": code, **ids})


def _status(job: Job) -> StatusEvent:
    """Show a job with absolute counts."""
    error = job.last_error
    return StatusEvent(
        job_id=job.job_id,
        job_type=job.job_type,
        state=job.state,
        resources_total=min(job.resource_total, _MAX_COUNT),
        resources_completed=min(job.resource_completed, _MAX_COUNT),
        resources_failed=min(job.resource_failed, _MAX_COUNT),
        manifest_key=job.manifest_key,
        tenant=job.tenant,
        last_error_code=error.code if error else "",
        last_error_message=error.message if error else "",
        log_offset=job.log_last_offset,
        timestamp_ms=job.updated_at_ms,
        source=SOURCE,
    )


def _summary(job: Job) -> JobSummary:
    return JobSummary(
        job_id=job.job_id,
        job_type=job.job_type,
        total_resources=job.resource_total,
        completed_resources=job.resource_completed,
        failed_resources=job.resource_failed,
    )
