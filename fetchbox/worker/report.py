"""Tells others how tasks ended, in batches: dead letters, then logs, then status, then settle.

A delivery is settled only after everything said about it is durable. A batch leaves when enough
has gathered, when time is up, when something went wrong, or when nothing else of a job is running
here: so a small job is reported within milliseconds, not after the flush interval. Where much goes
wrong, each failure does not cost a batch of its own.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import Final, TypeVar

from fetchbox.broker.port import Broker, BrokerUnavailableError, Message, Published, Subscription
from fetchbox.broker.streams import DLQ, LOGS, STATUS
from fetchbox.model.clock import Clock
from fetchbox.model.job import JobState, Pointer
from fetchbox.model.outcome import DeadLetter, LogEvent, LogLevel, Outcome, StatusEvent
from fetchbox.model.retry import RetryPolicy, backoff_ms
from fetchbox.model.task import DownloadTask
from fetchbox.telemetry.metrics import Metrics
from fetchbox.telemetry.tracing import span
from fetchbox.wire.codec import encode_dead_letter, encode_log, encode_status

T = TypeVar("T")
_log = logging.getLogger(__name__)

#: Outcomes of one job that make a flush due at once.
FLUSH_COUNT: Final = 100
#: Something that went wrong is told within this long, and at once when nothing was told lately.
ALARM_S: Final = 0.1
#: How many recent jobs are remembered as announced.
_REMEMBERED_JOBS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPolicy:
    """Who reports and how patiently."""

    worker_id: str
    flush_interval_ms: int
    retry: RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is said about one delivery when its task has ended."""

    message: Message
    task: DownloadTask
    outcome: Outcome | None
    log: LogEvent
    dead_letter: DeadLetter | None = None


@dataclass(slots=True)
class _JobBatch:
    """What has gathered of one job since the last flush."""

    task: DownloadTask
    logs: list[bytes] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)


class Reporter:
    """Gathers reports and flushes them; used by one worker."""

    def __init__(
        self, broker: Broker, policy: ReportPolicy, *, metrics: Metrics, clock: Clock
    ) -> None:
        """Hold nothing yet."""
        self._broker = broker
        self._policy = policy
        self._metrics = metrics
        self._clock = clock
        self._batches: dict[str, _JobBatch] = {}
        self._settling: list[Message] = []
        self._running: Counter[str] = Counter()
        self._announced: dict[str, None] = {}
        self._due = asyncio.Event()
        self._flushed_at = -inf
        self._alarm_timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._failing: set[str] = set()

    @property
    def is_healthy(self) -> bool:
        """False while something keeps failing to be published or settled."""
        return not self._failing

    def started(self, task: DownloadTask) -> None:
        """A task has begun; the first of a job announces it at the next flush."""
        self._running[task.job_id] += 1
        if task.job_id not in self._announced:
            self._announced[task.job_id] = None
            if len(self._announced) > _REMEMBERED_JOBS:
                del self._announced[next(iter(self._announced))]
            self._batch(task)

    def retried(self, task: DownloadTask, event: LogEvent) -> None:
        """An attempt failed and another follows."""
        self._batch(task).logs.append(encode_log(event))
        if event.level >= LogLevel.WARN:
            self._alarm()

    def ended(self, report: Report) -> None:
        """A task has ended; its delivery is settled by the flush that carries this."""
        batch = self._batch(report.task)
        batch.logs.append(encode_log(report.log))
        batch.reports.append(report)
        if len(batch.reports) >= FLUSH_COUNT:
            self._due.set()
        elif report.log.level >= LogLevel.WARN:
            self._alarm()

    def stopped(self, task: DownloadTask) -> None:
        """A task no longer runs, however it ended."""
        self._running[task.job_id] -= 1
        if not self._running[task.job_id]:
            del self._running[task.job_id]
            self._due.set()

    def _alarm(self) -> None:
        """Have the next batch leave as soon as the last one is ALARM_S old."""
        loop = asyncio.get_running_loop()
        wait_s = self._flushed_at + ALARM_S - loop.time()
        if wait_s <= 0:
            self._due.set()
        elif self._alarm_timer is None:
            self._alarm_timer = loop.call_later(wait_s, self._due.set)

    def _batch(self, task: DownloadTask) -> _JobBatch:
        batch = self._batches.get(task.job_id)
        if batch is None:
            batch = self._batches[task.job_id] = _JobBatch(task)
        return batch

    def close(self) -> None:
        """Let `run` return after a last flush."""
        self._closing = True
        self._due.set()

    async def run(self, subscription: Subscription) -> None:
        """Flush whenever due, until closed."""
        while not self._closing:
            try:
                async with asyncio.timeout(self._policy.flush_interval_ms / 1000):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()
            self._silence()
            await self._flush(subscription)
        await self._flush(subscription)

    def _silence(self) -> None:
        """The batch that leaves now tells what an alarm was for."""
        self._flushed_at = asyncio.get_running_loop().time()
        if self._alarm_timer is not None:
            self._alarm_timer.cancel()
            self._alarm_timer = None

    async def _flush(self, subscription: Subscription) -> None:
        batches, self._batches = self._batches, {}
        if batches:
            async with asyncio.TaskGroup() as tasks:
                for job_id, batch in batches.items():
                    tasks.create_task(self._publish(job_id, batch))
            for batch in batches.values():
                self._settling.extend(report.message for report in batch.reports)
        if self._settling:
            settling, self._settling = self._settling, []
            await self._insist("settle", lambda: subscription.settle(settling))

    async def _publish(self, job_id: str, batch: _JobBatch) -> None:
        with span("report", trace_id=batch.task.trace_id, job_id=job_id):
            await self._publish_all(job_id, batch)

    async def _publish_all(self, job_id: str, batch: _JobBatch) -> None:
        key = job_id or "unknown"
        pointers = await self._bury(key, batch.reports)
        newest = 0
        if batch.logs:
            place = await self._insist(LOGS, lambda: self._broker.publish(LOGS, key, batch.logs))
            newest = place.offset + len(batch.logs) - 1 if place.offset is not None else 0
        if job_id:
            outcomes = [
                replace(outcome, dlq=pointers.get(at)) if at in pointers else outcome
                for at, report in enumerate(batch.reports)
                if (outcome := report.outcome) is not None
            ]
            payload = encode_status(self._status(batch.task, outcomes, newest))
            await self._insist(STATUS, lambda: self._broker.publish(STATUS, key, [payload]))

    async def _bury(self, key: str, reports: Sequence[Report]) -> Mapping[int, Pointer | None]:
        """Publish the dead letters of failed tasks; return where they lie, by place in `reports`.

        The newest goes alone: not every broker tells the place of one in a batch, and the newest
        is the one that operators are pointed to.
        """
        letters = [
            (at, encode_dead_letter(report.dead_letter))
            for at, report in enumerate(reports)
            if report.dead_letter is not None
        ]
        pointers: dict[int, Pointer | None] = {}
        for batch in filter(None, (letters[:-1], letters[-1:])):
            payloads = [payload for _, payload in batch]
            place = await self._insist(DLQ, partial(self._broker.publish, DLQ, key, payloads))
            self._metrics.dead_letters.labels(reports[0].task.job_type).inc(len(batch))
            pointers |= {at: _pointer(place, n) for n, (at, _) in enumerate(batch)}
        return pointers

    def _status(
        self, task: DownloadTask, outcomes: Sequence[Outcome], log_offset: int
    ) -> StatusEvent:
        failed = [outcome for outcome in outcomes if outcome.state is JobState.FAILED]
        last = failed[-1] if failed else None
        return StatusEvent(
            job_id=task.job_id,
            job_type=task.job_type,
            state=JobState.IN_PROGRESS,
            resources_completed=len(outcomes) - len(failed),
            resources_failed=len(failed),
            manifest_key=task.manifest_key,
            tenant=task.tenant,
            last_error_code=last.failure_code if last else "",
            last_error_message=last.failure_message if last else "",
            log_offset=log_offset,
            timestamp_ms=self._clock(),
            outcomes=tuple(outcomes),
            source=f"worker:{self._policy.worker_id}",
        )

    async def _insist(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it works: nothing is settled, and so nothing lost, in the meantime."""
        policy = self._policy.retry
        failed = 0
        while True:
            try:
                result = await attempt()
            except BrokerUnavailableError as error:
                failed += 1
                if failed == policy.max_attempts:
                    self._failing.add(what)
                    self._metrics.publish_failures.labels(what).inc()
                    _log.warning("publish keeps failing", extra={"to": what, "reason": str(error)})
                await asyncio.sleep(backoff_ms(policy.base_ms, failed, policy.cap_ms) / 1000)
            else:
                self._failing.discard(what)
                return result


def _pointer(place: Published, number: int) -> Pointer | None:
    """Point to a message of a batch; None where the broker cannot tell."""
    if place.offset is None:
        return None
    return Pointer(partition=place.partition, offset=place.offset + number)
