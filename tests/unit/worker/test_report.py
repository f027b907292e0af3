"""Reports leave in order, insistently and in batches (contract 5.2, 5.9)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from fetchbox.broker.port import BrokerUnavailableError, Message, Published
from fetchbox.broker.streams import topic_specs
from fetchbox.model.job import JobState, Pointer
from fetchbox.model.outcome import LogLevel, Outcome, StatusEvent
from fetchbox.model.retry import RetryPolicy
from fetchbox.telemetry.metrics import Metrics
from fetchbox.wire.codec import decode_dead_letter, decode_log, decode_status, encode_task
from fetchbox.worker.report import ALARM_S, FLUSH_COUNT, Report, Reporter, ReportPolicy
from tests.factories import NOW_MS, make_dead_letter, make_log, make_task
from tests.fakes.faulty import FaultyBroker, Journal
from tests.fakes.meter import Meter

DOWN = BrokerUnavailableError("no answer")
#: Nothing in these tests waits for it.
AN_HOUR_MS = 3_600_000


@dataclass
class Settling:
    """The subscription as the reporter sees it; `settled` is woken after each settle."""

    journal: Journal
    offsets: list[int] = field(default_factory=list)
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self) -> Sequence[Message]:
        raise NotImplementedError

    async def settle(self, messages: Sequence[Message]) -> None:
        async def note() -> None:
            self.offsets += [message.offset for message in messages]
            self.settled.set()

        await self.journal.run("settle", note)


@dataclass
class Stage:
    """A running reporter, its broker, and what it settles."""

    journal: Journal
    broker: FaultyBroker
    reporter: Reporter
    settling: Settling
    meter: Meter
    made: int = 0

    def report(self, **matters: Any) -> Report:
        """Make the report of a completed task."""
        self.made += 1
        task = matters.pop("task", make_task(resource_id=f"r{self.made}"))
        message = Message(0, self.made, encode_task(task))
        outcome = Outcome(resource_id=task.resource_id, state=JobState.COMPLETED)
        return Report(
            **{"message": message, "task": task, "outcome": outcome, "log": make_log(), **matters}
        )

    def failure(self, **matters: Any) -> Report:
        """Make the report of a failed task."""
        task = matters.pop("task", make_task(resource_id=f"f{self.made}"))
        outcome = Outcome(
            resource_id=task.resource_id,
            state=JobState.FAILED,
            failure_code="DOWNLOAD_HTTP_4XX",
            failure_message=f"no {task.resource_id}",
        )
        return self.report(
            **{
                "task": task,
                "outcome": outcome,
                "log": make_log(level=LogLevel.ERROR),
                "dead_letter": make_dead_letter(task=task),
                **matters,
            }
        )

    async def flushed(self) -> None:
        """Wait until the deliveries of the next flush are settled."""
        await self.settling.settled.wait()
        self.settling.settled.clear()

    def statuses(self) -> list[StatusEvent]:
        return [decode_status(payload) for payload in self.broker.payloads("jobs.status")]


@asynccontextmanager
async def running(
    flush_interval_ms: int = AN_HOUR_MS, broker_class: type[FaultyBroker] = FaultyBroker
) -> AsyncIterator[Stage]:
    journal, metrics = Journal(), Metrics()
    broker = broker_class(journal)
    await broker.ensure(topic_specs(tasks_days=1, status_days=1, logs_days=1, dlq_days=1))
    policy = ReportPolicy(
        worker_id="w1",
        flush_interval_ms=flush_interval_ms,
        retry=RetryPolicy(max_attempts=3, base_ms=0, cap_ms=0),
    )
    reporter = Reporter(broker, policy, metrics=metrics, clock=lambda: NOW_MS)
    stage = Stage(journal, broker, reporter, Settling(journal), Meter(metrics.registry))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(reporter.run(stage.settling))
        yield stage
        reporter.close()


async def test_failed_task_is_told_in_the_order_of_the_contract() -> None:
    async with running() as stage:
        stage.reporter.ended(stage.failure())
        await stage.flushed()

    assert stage.journal.calls == [
        "publish jobs.dlq",
        "publish jobs.logs",
        "publish jobs.status",
        "settle",
    ]


async def test_status_carries_the_outcomes_since_the_last_one() -> None:
    async with running() as stage:
        stage.reporter.ended(stage.report())
        stage.reporter.ended(stage.failure())
        await stage.flushed()
        stage.reporter.ended(stage.failure())
        await stage.flushed()

    first, second = stage.statuses()
    assert (first.state, first.source, first.timestamp_ms) == (
        JobState.IN_PROGRESS,
        "worker:w1",
        NOW_MS,
    )
    assert (first.resources_completed, first.resources_failed, first.resources_total) == (1, 1, 0)
    assert (second.resources_completed, second.resources_failed) == (0, 1)
    assert [outcome.resource_id for outcome in first.outcomes] == ["r1", "f1"]
    assert (first.last_error_code, first.last_error_message) == ("DOWNLOAD_HTTP_4XX", "no f1")
    assert stage.settling.offsets == [1, 2, 3]


async def test_outcome_points_to_its_dead_letter() -> None:
    async with running() as stage:
        await stage.broker.publish("jobs.dlq", make_task().job_id, [b"earlier"])
        for _ in range(3):
            stage.reporter.ended(stage.failure())
        stage.reporter.ended(stage.report())
        await stage.flushed()

    (status,) = stage.statuses()
    pointers = [outcome.dlq for outcome in status.outcomes]
    assert pointers[:3] == [Pointer(partition=pointers[0].partition, offset=n) for n in (1, 2, 3)]  # type: ignore[union-attr]  # else it fails
    assert pointers[3] is None
    for outcome in status.outcomes[:3]:
        assert outcome.dlq is not None
        lies = stage.broker.log.topics["jobs.dlq"][outcome.dlq.partition][outcome.dlq.offset]
        assert decode_dead_letter(lies.payload).task.resource_id == outcome.resource_id


async def test_thousand_failures_are_a_handful_of_publishes() -> None:
    async with running() as stage:
        for _ in range(1000):
            stage.reporter.ended(stage.failure())
        await stage.flushed()

    assert len(stage.broker.payloads("jobs.dlq")) == 1000
    assert stage.journal.calls.count("publish jobs.dlq") == 2
    assert stage.meter.growth("fetchbox_worker_dlq_total", job_type="default") == 1000


class Silent(FaultyBroker):
    """Tells no offsets."""

    async def publish(self, topic: str, key: str, payloads: Sequence[bytes]) -> Published:
        place = await super().publish(topic, key, payloads)
        return Published(place.partition, None)


async def test_broker_that_tells_no_offsets_is_enough() -> None:
    async with running(broker_class=Silent) as stage:
        stage.reporter.ended(stage.failure())
        await stage.flushed()

    (status,) = stage.statuses()
    assert (status.log_offset, status.outcomes[0].dlq) == (0, None)


async def test_log_offset_is_that_of_the_newest_log() -> None:
    async with running() as stage:
        await stage.broker.publish("jobs.logs", make_task().job_id, [b"1", b"2"])
        stage.reporter.retried(make_task(), make_log(level=LogLevel.INFO))
        stage.reporter.ended(stage.failure())
        await stage.flushed()

    assert stage.statuses()[0].log_offset == 3


async def test_jobs_are_told_apart() -> None:
    async with running() as stage:
        for job_id in ("a", "b", "a"):
            stage.reporter.ended(stage.report(task=make_task(job_id=job_id)))
        stage.reporter.ended(stage.failure(task=make_task(job_id="b", resource_id="x")))
        await stage.flushed()

    told = {status.job_id: len(status.outcomes) for status in stage.statuses()}
    assert told == {"a": 2, "b": 2}
    assert stage.journal.calls.count("settle") == 1


async def test_report_of_nobody_is_buried_and_logged_but_has_no_status() -> None:
    async with running() as stage:
        nobody = make_task(job_id="", resource_id="")
        stage.reporter.ended(stage.failure(task=nobody, outcome=None))
        await stage.flushed()

    assert stage.statuses() == []
    assert len(stage.broker.payloads("jobs.dlq")) == 1
    assert len(stage.broker.payloads("jobs.logs")) == 1
    assert stage.settling.offsets == [1]


# When a batch leaves.


async def test_small_job_is_told_when_its_last_task_stops() -> None:
    async with running() as stage:
        task = make_task()
        stage.reporter.started(task)
        stage.reporter.ended(stage.report(task=task))
        stage.reporter.stopped(task)
        await stage.flushed()

    assert len(stage.statuses()) == 1


async def test_nothing_is_due_while_other_tasks_of_the_job_run() -> None:
    async with running() as stage:
        task = make_task()
        for _ in range(2):
            stage.reporter.started(task)
        stage.reporter.ended(stage.report(task=task))
        stage.reporter.stopped(task)
        assert not stage.reporter._due.is_set()
        stage.reporter.stopped(task)
        assert stage.reporter._due.is_set()


async def test_enough_outcomes_are_due_at_once() -> None:
    async with running() as stage:
        for _ in range(FLUSH_COUNT - 1):
            stage.reporter.ended(stage.report())
        assert not stage.reporter._due.is_set()
        stage.reporter.ended(stage.report())
        await stage.flushed()

    assert len(stage.settling.offsets) == FLUSH_COUNT


async def test_outcomes_are_counted_job_by_job() -> None:
    async with running() as stage:
        for number in range(2 * FLUSH_COUNT - 2):
            task = make_task(job_id=f"j{number % 2}", resource_id=f"r{number}")
            stage.reporter.ended(stage.report(task=task))
        assert not stage.reporter._due.is_set()


@pytest.mark.parametrize(
    ("level", "is_due"),
    [(LogLevel.INFO, False), (LogLevel.WARN, True), (LogLevel.ERROR, True)],
)
async def test_warning_is_due_at_once(level: LogLevel, is_due: bool) -> None:  # noqa: FBT001  # a column
    async with running() as stage:
        stage.reporter.retried(make_task(), make_log(level=level))
        assert stage.reporter._due.is_set() is is_due


async def test_failures_in_a_row_share_batches() -> None:
    """Each is told soon, but not each for itself: that would cost a transaction per failure."""
    async with running() as stage:
        stage.reporter.started(make_task())  # so that no job stands still
        loop = asyncio.get_running_loop()
        began = loop.time()
        stage.reporter.ended(stage.failure())
        await stage.flushed()
        for _ in range(50):
            stage.reporter.ended(stage.failure())
            await asyncio.sleep(0)
        assert not stage.reporter._due.is_set()
        await stage.flushed()
        assert loop.time() - began >= ALARM_S

    assert len(stage.statuses()) == 2
    assert [len(status.outcomes) for status in stage.statuses()] == [1, 50]


async def test_rest_is_due_after_the_interval() -> None:
    async with running(flush_interval_ms=1) as stage:
        stage.reporter.ended(stage.report())
        await stage.flushed()
    assert stage.settling.offsets == [1]


async def test_first_task_of_a_job_announces_it_once() -> None:
    async with running() as stage:
        for _ in range(2):
            stage.reporter.started(make_task())

    (status,) = stage.statuses()
    assert (status.state, status.outcomes) == (JobState.IN_PROGRESS, ())
    assert stage.settling.offsets == []
    assert stage.broker.payloads("jobs.logs") == []


async def test_memory_of_announced_jobs_is_bounded() -> None:
    async with running() as stage:
        for number in range(10_050):
            task = make_task(job_id=str(number))
            stage.reporter.started(task)
            stage.reporter.stopped(task)
            stage.reporter._batches.clear()
        assert len(stage.reporter._announced) == 10_000
        assert not stage.reporter._running


async def test_close_flushes_what_is_left() -> None:
    async with running() as stage:
        stage.reporter.ended(stage.report())

    assert stage.settling.offsets == [1]
    assert decode_log(stage.broker.payloads("jobs.logs")[0]) == make_log()


# Outages.


@pytest.mark.parametrize(
    "call", ["publish jobs.dlq", "publish jobs.logs", "publish jobs.status", "settle"]
)
async def test_outage_is_sat_out_and_nothing_is_settled_before_its_end(call: str) -> None:
    async with running() as stage:
        stage.journal.fail_next(call, *[DOWN] * 5)
        healthy: list[bool] = []

        async def look() -> None:
            healthy.append(stage.reporter.is_healthy)
            assert stage.settling.offsets == []

        stage.journal.before[call] = look
        stage.reporter.ended(stage.failure())
        await stage.flushed()
        assert stage.reporter.is_healthy

    assert healthy == [True, True, True, False, False, False]
    assert stage.settling.offsets == [1]
    name = call.removeprefix("publish ")
    assert stage.meter.growth("fetchbox_publish_failures_total", stream=name) == 1
    assert len(stage.broker.payloads("jobs.dlq")) == 1
    assert len(stage.statuses()) == 1


async def test_one_topic_that_works_does_not_hide_one_that_fails() -> None:
    async with running() as stage:
        stage.journal.fail_next("publish jobs.dlq", *[DOWN] * 50)
        told = asyncio.Event()
        healthy: list[bool] = []

        async def look() -> None:
            if len(healthy) == 40:
                told.set()
            healthy.append(stage.reporter.is_healthy)

        stage.journal.before["publish jobs.dlq"] = look
        stage.reporter.ended(stage.failure(task=make_task(job_id="a")))
        stage.reporter.ended(stage.report(task=make_task(job_id="b")))
        await told.wait()
        assert not stage.reporter.is_healthy
        assert len(stage.statuses()) == 1
        await stage.flushed()
    assert stage.reporter.is_healthy
