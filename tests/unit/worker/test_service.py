"""The worker as a whole: deliveries in, objects and reports out, nothing lost (contract 5)."""

import asyncio
import logging
from collections import Counter
from typing import Any

import pytest

from fetchbox.broker.port import BrokerUnavailableError
from fetchbox.broker.streams import partition_of
from fetchbox.handlers.port import HandlerConfig
from fetchbox.model.job import JobState
from fetchbox.model.outcome import LogLevel
from fetchbox.model.retry import RetryPolicy
from fetchbox.model.task import DownloadTask
from fetchbox.storage.port import StorageError
from fetchbox.wire.codec import encode_task
from tests.factories import JOB_ID, make_failure
from tests.fakes.fetcher import Answer
from tests.fakes.json_lines import json_lines
from tests.fakes.tracing import recording
from tests.unit.worker.conftest import Plant, everything_that_can_run

DOWN = BrokerUnavailableError("no answer")
TEN = [str(number) for number in range(10)]


def done(plant: Plant) -> list[str]:
    """Resources reported as completed, in order, repeats included."""
    return [
        outcome.resource_id
        for status in plant.statuses()
        for outcome in status.outcomes
        if outcome.state is JobState.COMPLETED
    ]


async def test_task_becomes_an_object_a_log_and_an_outcome(plant: Plant) -> None:
    await plant.queue("a")

    await plant.work()

    key = f"resources/default/{JOB_ID}/a"
    assert plant.storage.objects == {("fetchbox-default", key): b"http://origin.test/a"}
    assert done(plant) == ["a"]
    assert [log.fields["event"] for log in plant.logs()] == ["task.completed"]
    assert plant.letters() == []
    assert plant.committed() == 1


async def test_small_job_is_told_without_waiting_for_the_interval(plant: Plant) -> None:
    async with plant.working():
        await plant.queue("a")
        await everything_that_can_run()
        assert done(plant) == ["a"]
        assert plant.committed() == 1


async def test_failed_task_is_a_dead_letter_as_received(plant: Plant) -> None:
    task = plant.task("a", headers=(("x", "1"),), attempt=4)
    plant.fetcher.script(task.url, Answer(status=404))
    await plant.queue("a", headers=(("x", "1"),), attempt=4)

    await plant.work()

    (letter,) = plant.letters()
    assert letter.task == task
    assert (letter.failure_code, letter.attempts) == ("DOWNLOAD_HTTP_4XX", 1)
    assert letter.metadata["source_partition"] == str(partition_of(JOB_ID, 8))
    (status,) = plant.statuses()
    assert status.outcomes[0].state is JobState.FAILED
    assert status.last_error_code == "DOWNLOAD_HTTP_4XX"
    assert plant.committed() == 1


async def test_retries_are_logged_as_warnings(plant: Plant) -> None:
    plant.fetcher.script("http://origin.test/a", Answer(status=500), Answer(status=500), Answer())
    await plant.queue("a")

    await plant.work()

    assert [(log.level, log.fields["event"]) for log in plant.logs()] == [
        (LogLevel.WARN, "task.retry"),
        (LogLevel.WARN, "task.retry"),
        (LogLevel.INFO, "task.completed"),
    ]
    assert plant.slept == [1.0, 2.0]
    assert (
        plant.meter.growth(
            "fetchbox_worker_download_failures_total", code="DOWNLOAD_HTTP_5XX", job_type="default"
        )
        == 2
    )


async def test_undecodable_message_is_a_dead_letter_and_done(plant: Plant) -> None:
    await plant.broker.publish("jobs.tasks", JOB_ID, [b"\xff\xffgarbage"])
    await plant.queue("a")

    await plant.work()

    (letter,) = plant.letters()
    partition = partition_of(JOB_ID, 8)
    assert letter.failure_code == "SYSTEM_DECODE_ERROR"
    assert f"partition {partition}, offset 0" in letter.failure_message
    assert letter.task == DownloadTask(
        job_id="", job_type="", resource_id="", url="", attempt=0, extra=b"\xff\xffgarbage"
    )
    assert done(plant) == ["a"]
    assert plant.committed() == 2


@pytest.mark.parametrize(
    ("matters", "code"),
    [
        pytest.param({"job_id": ""}, "VALIDATION_MISSING_FIELD", id="no-job"),
        pytest.param({"resource_id": ""}, "VALIDATION_MISSING_FIELD", id="no-resource"),
        pytest.param({"url": "ftp://h/"}, "DOWNLOAD_INVALID_URL", id="scheme"),
    ],
)
async def test_task_that_can_never_succeed_is_buried_without_a_request(
    plant: Plant, matters: dict[str, Any], code: str
) -> None:
    task = plant.task("a", **matters)
    await plant.broker.publish("jobs.tasks", JOB_ID, [encode_task(task)])

    await plant.work()

    (letter,) = plant.letters()
    assert (letter.task, letter.failure_code) == (task, code)
    assert plant.fetcher.requests == []
    assert plant.committed() == 1


async def test_crash_of_a_task_is_its_own_end_only(
    plant: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    plant.storage.fail_next(ZeroDivisionError("s3cret"))
    await plant.queue("a", "b")

    await plant.work(max_inflight=1)

    (letter,) = plant.letters()
    assert (letter.task.resource_id, letter.failure_code) == ("a", "SYSTEM_PANIC")
    assert letter.failure_message == "unexpected ZeroDivisionError"
    assert done(plant) == ["b"]
    assert plant.committed() == 2
    assert "task crashed" in caplog.messages


async def test_claim_is_told_at_debug(plant: Plant, caplog: pytest.LogCaptureFixture) -> None:
    """With this line the test environment's timelines know that a worker has a task."""
    caplog.set_level(logging.DEBUG, "fetchbox.worker")
    await plant.queue("a")

    await plant.work()

    (line,) = [vars(record) for record in caplog.records if record.message == "task.claimed"]
    assert (line["job_id"], line["resource_id"]) == (JOB_ID, "a")


# How many at once.


@pytest.mark.parametrize("most", [1, 3])
async def test_no_more_tasks_run_than_there_are_slots(plant: Plant, most: int) -> None:
    plant.fetcher.gate.clear()
    await plant.queue(*TEN)
    async with plant.working(max_inflight=most):
        assert plant.fetcher.running.total() == most
        assert plant.metrics.tasks_inflight._value.get() == most
        plant.fetcher.gate.set()
        await everything_that_can_run()

    assert sorted(plant.stored) == TEN
    assert plant.fetcher.most["all"] == most
    assert plant.metrics.tasks_inflight._value.get() == 0


async def test_cap_of_a_job_type_leaves_the_other_slots_to_others(plant: Plant) -> None:
    plant.handlers["art"] = HandlerConfig(options={"max_parallel_downloads": 2})
    plant.fetcher.gate.clear()
    await plant.queue(*TEN, job_type="art", host="art.test")
    await plant.queue("x", "y", "z", job_id="other", host="plain.test")
    async with plant.working(max_inflight=5):
        assert plant.fetcher.running == Counter({"art.test": 2, "plain.test": 3})
        plant.fetcher.gate.set()
        await everything_that_can_run()

    assert len(plant.stored) == 13
    assert plant.fetcher.most["art.test"] == 2


@pytest.mark.parametrize(
    ("window", "passed"),
    [pytest.param(11, ["x"], id="reaches-past-it"), pytest.param(10, [], id="ends-within-it")],
)
async def test_capped_job_holds_up_its_partition_unless_the_window_reaches_past_it(
    plant: Plant, window: int, passed: list[str]
) -> None:
    plant.handlers["art"] = HandlerConfig(options={"max_parallel_downloads": 1})
    plant.fetcher.gate.clear()
    await plant.queue(*TEN, job_type="art", host="art.test")
    await plant.queue("x", host="plain.test")
    async with plant.working(window=window):
        assert plant.fetcher.running["plain.test"] == len(passed)
        plant.fetcher.gate.set()
        await everything_that_can_run()
    assert len(plant.stored) == 11


async def test_window_bounds_what_is_taken_in(plant: Plant) -> None:
    plant.fetcher.gate.clear()
    await plant.queue(*TEN)
    async with plant.working(max_inflight=2, window=4) as worker:
        assert len(worker._deliveries) == 4
        plant.fetcher.gate.set()
        await everything_that_can_run()

    assert sorted(plant.stored) == TEN
    assert plant.committed() == 10


# Stopping, dying, coming back.


async def test_stop_lets_running_tasks_end_and_returns_the_rest(plant: Plant) -> None:
    plant.fetcher.gate.clear()
    await plant.queue(*TEN)
    async with plant.working(max_inflight=2) as worker:
        plant.stop.set()
        await everything_that_can_run()
        assert not worker.is_ready
        plant.fetcher.gate.set()

    assert sorted(plant.stored) == ["0", "1"]
    assert sorted(done(plant)) == ["0", "1"]
    assert plant.committed() == 2

    await plant.work()
    assert sorted(done(plant)) == TEN
    assert plant.committed() == 10


async def test_task_that_outlasts_the_shutdown_timeout_comes_again(
    plant: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    plant.fetcher.gate.clear()
    await plant.queue("a", "b")
    async with plant.working(shutdown_timeout_ms=20):
        pass

    assert (plant.stored, plant.committed(), plant.letters()) == ([], 0, [])
    assert "shutdown timeout: unfinished tasks come again" in caplog.messages
    assert plant.fetcher.running.total() == 0

    plant.fetcher.gate.set()
    await plant.work()
    assert sorted(done(plant)) == ["a", "b"]
    assert plant.committed() == 2


async def test_worker_ends_although_the_last_flush_cannot_leave(plant: Plant) -> None:
    async def refuse(*_: object) -> None:
        raise DOWN

    await plant.queue("a")
    plant.broker.publish = refuse  # type: ignore[assignment,method-assign]  # an outage without end
    patience = RetryPolicy(max_attempts=3, base_ms=10, cap_ms=10)
    async with plant.working(shutdown_timeout_ms=20, publish_retry=patience):
        await everything_that_can_run()

    assert plant.stored == ["a"]
    assert plant.committed() == 0


async def test_redelivery_does_no_harm(plant: Plant) -> None:
    """The first worker stores and reports, but dies before it settles."""
    await plant.queue("a", "b")
    await plant.work()
    plant.broker.log.committed.clear()

    await plant.work()

    assert sorted(plant.stored) == ["a", "b"]
    assert Counter(done(plant)) == {"a": 2, "b": 2}
    assert plant.committed() == 2


async def test_job_is_announced_and_reported_by_this_worker(plant: Plant) -> None:
    plant.fetcher.gate.clear()
    await plant.queue("a")
    async with plant.working(status_flush_interval_ms=1):
        await plant.broker.told.wait()
        (status,) = plant.statuses()
        assert (status.state, status.outcomes) == (JobState.IN_PROGRESS, ())
        assert status.source == "worker:w1"
        plant.fetcher.gate.set()


# Health.


async def test_worker_is_ready_while_it_can_read_and_report(plant: Plant) -> None:
    idle = plant.make_worker()
    assert not idle.is_ready
    async with plant.working() as worker:
        assert worker.is_ready
    assert not worker.is_ready


async def test_reading_goes_on_after_an_outage_with_growing_pauses(
    plant: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    ready: list[bool] = []
    async with plant.working() as worker:
        sleep = plant._sleep

        async def look(seconds: float) -> None:
            ready.append(worker.is_ready)
            await sleep(seconds)

        object.__setattr__(worker._ports, "sleep", look)
        plant.broker.fail_next(*[DOWN] * 8)
        plant.broker.log.stir("jobs.tasks")
        await everything_that_can_run()
        assert worker.is_ready, "an idle topic tells nothing, yet the broker answers"
        await plant.queue("a")
        await everything_that_can_run()

    assert ready == [False] * 8
    assert plant.slept == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert done(plant) == ["a"]
    assert caplog.messages.count("cannot read tasks") == 8


async def test_worker_that_cannot_subscribe_says_so(plant: Plant) -> None:
    plant.broker.log.topics.clear()
    with pytest.raises(BrokerUnavailableError, match=r"jobs\.tasks"):
        await plant.make_worker().run(asyncio.Event())


async def test_storage_outage_is_retried_and_then_told(plant: Plant) -> None:
    plant.storage.fail_next(*[StorageError(make_failure("UPLOAD_NETWORK"))] * 3)
    await plant.queue("a")

    await plant.work()

    (letter,) = plant.letters()
    assert (letter.failure_code, letter.attempts) == ("UPLOAD_NETWORK", 3)
    assert (
        plant.meter.growth(
            "fetchbox_worker_storage_failures_total", code="UPLOAD_NETWORK", job_type="default"
        )
        == 3
    )


async def test_a_task_and_its_report_are_spans_of_the_job_s_trace(plant: Plant) -> None:
    await plant.queue("a", trace_id="a" * 32)

    with recording() as recorder:
        await plant.work()

    ids = {"job_id": JOB_ID, "resource_id": "a"}
    assert [each.attributes for each in recorder.named("task")] == [ids]
    published = [each.attributes["stream"] for each in recorder.named("publish")]
    assert published == ["jobs.logs", "jobs.status"]
    assert {each.trace_id for each in recorder.spans} == {"a" * 32}


async def test_whatever_is_logged_during_a_task_carries_its_ids(plant: Plant) -> None:
    """Libraries' lines too: the ids are bound, not passed."""
    with json_lines() as lines:
        plant.storage.fail_next(ZeroDivisionError("broken"))
        await plant.queue("a", tenant="acme", trace_id="a" * 32)
        await plant.work()

    (crash,) = lines.named("task crashed")
    ids = {"job_id": JOB_ID, "resource_id": "a", "job_type": "default", "tenant": "acme"}
    assert crash.items() >= {**ids, "trace_id": "a" * 32}.items()
