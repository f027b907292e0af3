"""The worker: takes deliveries, runs downloads side by side, reports, drains on stop.

Settle last: a delivery is settled by the reporter after its effects are durable; dying anywhere
before means seeing it again. No exception of a task ends the worker.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fetchbox.broker.port import Broker, BrokerUnavailableError, Message, Subscription
from fetchbox.broker.streams import TASKS, WORKERS
from fetchbox.fetch.port import Fetcher
from fetchbox.fetch.rotation import FailoverOrder, Rotation
from fetchbox.handlers.port import HandlerConfig
from fetchbox.model.clock import Clock
from fetchbox.model.failure import FailureCode, failure
from fetchbox.model.proxies import ProxyPool
from fetchbox.model.retry import RetryPolicy
from fetchbox.model.task import DownloadTask
from fetchbox.storage.port import Storage
from fetchbox.telemetry.logs import carry_ids
from fetchbox.telemetry.metrics import Metrics
from fetchbox.telemetry.tracing import span
from fetchbox.wire.codec import UndecodableError, decode_task
from fetchbox.worker.download import BodyLimits, Downloader, FailedAttempt, Means, Sleep
from fetchbox.worker.plan import PlanLimits
from fetchbox.worker.record import Recorder
from fetchbox.worker.report import Report, Reporter, ReportPolicy
from fetchbox.worker.target import Router, task_fault

_log = logging.getLogger(__name__)

#: The last flush gets this long even when running tasks have used up the shutdown timeout.
_LAST_FLUSH_S: Final = 1.0
_READ_AGAIN_S: Final = 0.1
_READ_AGAIN_MOST_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPorts:
    """What the worker works with."""

    broker: Broker
    storage: Storage
    fetcher: Fetcher
    metrics: Metrics
    clock: Clock
    sleep: Sleep = asyncio.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPolicy:
    """Figures of contract 5.1. `window` is the read-ahead per partition, in messages."""

    worker_id: str
    bucket: str
    multipart_threshold_bytes: int
    publish_retry: RetryPolicy
    default_prefix: str = ""
    max_inflight: int = 32
    window: int = 128
    download_retry_limit: int = 3
    storage_retry_limit: int = 3
    retry_backoff_ms: int = 1000
    max_backoff_ms: int = 30_000
    failover_order: str = FailoverOrder.SEQUENTIAL
    status_flush_interval_ms: int = 1000
    shutdown_timeout_ms: int = 30_000
    max_resource_bytes: int = 0


@dataclass(slots=True, eq=False)
class _Delivery:
    """A message that is being handled; until a slot is free it only waits."""

    message: Message
    handling: asyncio.Task[None] | None = None
    is_running: bool = False


class WorkerService:
    """One worker process's share of the group `workers`."""

    def __init__(
        self,
        ports: WorkerPorts,
        policy: WorkerPolicy,
        *,
        handlers: Mapping[str, HandlerConfig],
        pools: Mapping[str, ProxyPool],
    ) -> None:
        """Wire the parts; nothing runs before `run`."""
        self._ports = ports
        self._policy = policy
        self._router = Router(
            handlers=handlers,
            pools=pools,
            rotation=Rotation(FailoverOrder(policy.failover_order)),
            bucket=policy.bucket,
            default_prefix=policy.default_prefix,
        )
        self._recorder = Recorder(policy.worker_id, clock=ports.clock, metrics=ports.metrics)
        self._reporter = Reporter(
            ports.broker,
            ReportPolicy(
                worker_id=policy.worker_id,
                flush_interval_ms=policy.status_flush_interval_ms,
                retry=policy.publish_retry,
            ),
            metrics=ports.metrics,
            clock=ports.clock,
        )
        self._downloader = self._make_downloader()
        self._slots = asyncio.Semaphore(policy.max_inflight)
        self._caps: dict[str, asyncio.Semaphore] = {}
        self._deliveries: set[_Delivery] = set()
        self._is_consuming = False

    def _make_downloader(self) -> Downloader:
        policy, ports = self._policy, self._ports
        return Downloader(
            Means(
                fetcher=ports.fetcher,
                storage=ports.storage,
                clock=ports.clock,
                on_failed=self._attempt_failed,
                on_downloaded=self._recorder.downloaded,
                sleep=ports.sleep,
            ),
            PlanLimits(
                download_retry_limit=policy.download_retry_limit,
                storage_retry_limit=policy.storage_retry_limit,
                retry_backoff_ms=policy.retry_backoff_ms,
                max_backoff_ms=policy.max_backoff_ms,
            ),
            BodyLimits(
                multipart_threshold=policy.multipart_threshold_bytes,
                max_resource=policy.max_resource_bytes,
            ),
        )

    @property
    def is_ready(self) -> bool:
        """Whether tasks are being consumed and reports get through."""
        return self._is_consuming and self._reporter.is_healthy

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then drain within the shutdown timeout."""
        subscribe = self._ports.broker.subscribe(TASKS, WORKERS, window=self._policy.window)
        async with subscribe as subscription, asyncio.TaskGroup() as tasks:
            reporting = tasks.create_task(self._reporter.run(subscription))
            reading = tasks.create_task(self._read(subscription, tasks))
            self._is_consuming = True
            await stop.wait()
            self._is_consuming = False
            reading.cancel()
            for delivery in self._deliveries:
                if not delivery.is_running and delivery.handling is not None:
                    delivery.handling.cancel()
            await self._drain(reporting)

    async def _drain(self, reporting: asyncio.Task[None]) -> None:
        """Wait for running tasks, then for the last flush; what is left stays unsettled."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._policy.shutdown_timeout_ms / 1000
        left = {each.handling for each in self._deliveries if each.is_running and each.handling}
        if left:
            _, left = await asyncio.wait(left, timeout=deadline - clock())
        for task in left:
            task.cancel()
        if left:
            _log.warning(
                "shutdown timeout: unfinished tasks come again", extra={"tasks": len(left)}
            )
        self._reporter.close()
        last_flush_s = max(deadline - clock(), _LAST_FLUSH_S)
        _, unflushed = await asyncio.wait({reporting}, timeout=last_flush_s)
        for task in unflushed:
            task.cancel()

    async def _read(self, subscription: Subscription, tasks: asyncio.TaskGroup) -> None:
        """Start a task per delivery; the window bounds how many there are."""
        delay_s = _READ_AGAIN_S
        while True:
            try:
                if not self._is_consuming:
                    await self._ports.broker.describe(TASKS)  # an idle topic would not tell
                    self._is_consuming = True
                messages = await subscription.next()
            except BrokerUnavailableError as error:
                self._is_consuming = False
                _log.warning("cannot read tasks", extra={"reason": str(error)})
                await self._ports.sleep(delay_s)
                delay_s = min(delay_s * 2, _READ_AGAIN_MOST_S)
                continue
            delay_s = _READ_AGAIN_S
            for message in messages:
                delivery = _Delivery(message)
                self._deliveries.add(delivery)
                delivery.handling = tasks.create_task(self._take(delivery))

    async def _take(self, delivery: "_Delivery") -> None:
        try:
            task = decode_task(delivery.message.payload)
            if (cap := self._cap(task.job_type)) is None:
                await self._in_slot(delivery, task)
            else:
                async with cap:
                    await self._in_slot(delivery, task)
        except UndecodableError as error:
            self._reporter.ended(self._undecodable(delivery.message, error))
        finally:
            self._deliveries.discard(delivery)

    async def _in_slot(self, delivery: "_Delivery", task: DownloadTask) -> None:
        async with self._slots:
            delivery.is_running = True
            self._ports.metrics.tasks_inflight.inc()
            self._reporter.started(task)
            try:
                await self._work(delivery.message, task)
            finally:
                self._ports.metrics.tasks_inflight.dec()
                self._reporter.stopped(task)

    def _cap(self, job_type: str) -> asyncio.Semaphore | None:
        """Return the job type's own limit: taken first, so that waiting for it blocks no slot."""
        limit = self._router.config(job_type).max_parallel_downloads
        if limit is None:
            return None
        return self._caps.setdefault(job_type, asyncio.Semaphore(limit))

    async def _work(self, message: Message, task: DownloadTask) -> None:
        """Carry out one task; whatever happens becomes a report."""
        ids = {"job_id": task.job_id, "resource_id": task.resource_id}
        carry_ids(
            ids | {"job_type": task.job_type, "tenant": task.tenant, "trace_id": task.trace_id}
        )
        with span("task", trace_id=task.trace_id, **ids):
            _log.debug("task.claimed", extra=ids)
            try:
                report = await self._carry_out(message, task)
            except Exception as error:  # noqa: BLE001  # the boundary between a task and the worker
                _log.exception("task crashed")
                cause = failure(FailureCode.SYSTEM_PANIC, f"unexpected {type(error).__name__}")
                report = self._recorder.failed(message, task, cause, 1)
            self._reporter.ended(report)

    async def _carry_out(self, message: Message, task: DownloadTask) -> Report:
        started = self._ports.clock()
        if (fault := task_fault(task)) is not None:
            return self._recorder.failed(message, task, fault, 1)
        errand = self._router.route(task)
        ending = await self._downloader.run(errand)
        if ending.failure is not None:
            return self._recorder.failed(message, task, ending.failure, ending.attempts)
        took = self._ports.clock() - started
        return self._recorder.completed(message, errand, ending, took)

    def _attempt_failed(self, attempt: FailedAttempt) -> None:
        if (event := self._recorder.attempt_failed(attempt)) is not None:
            self._reporter.retried(attempt.errand.task, event)

    def _undecodable(self, message: Message, error: UndecodableError) -> Report:
        place = f"partition {message.partition}, offset {message.offset}"
        cause = failure(FailureCode.SYSTEM_DECODE_ERROR, f"{error.failure.message} ({place})")
        task = DownloadTask(
            job_id="", job_type="", resource_id="", url="", attempt=0, extra=message.payload
        )
        return self._recorder.failed(message, task, cause, 1)
