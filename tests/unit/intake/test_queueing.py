"""How often the broker is asked, and when intake stops waiting for a log cursor."""

import asyncio

import pytest

from fetchbox.broker.port import BrokerUnavailableError
from fetchbox.broker.streams import partition_of, topic_specs
from fetchbox.intake.queueing import JobQueue
from fetchbox.model.failure import FailureCode, FetchBoxError, fail
from fetchbox.model.job import Pointer
from fetchbox.model.retry import RetryPolicy
from tests.factories import JOB_ID, make_new_job
from tests.fakes.faulty import FaultyBroker, Journal
from tests.fakes.virtual_loop import run_virtually

DOWN = BrokerUnavailableError("no answer")


async def make_queue(journal: Journal, attempts: int = 3) -> JobQueue:
    broker = FaultyBroker(journal)
    await broker.ensure(topic_specs(tasks_days=1, status_days=1, logs_days=1, dlq_days=1))
    return JobQueue(broker=broker, retry=RetryPolicy(max_attempts=attempts, base_ms=0, cap_ms=0))


@pytest.mark.parametrize(
    ("attempts", "failures", "is_sent"),
    [(1, 0, True), (1, 1, False), (3, 2, True), (3, 3, False), (5, 4, True)],
)
async def test_publish_is_tried_as_often_as_the_policy_says(
    attempts: int,
    failures: int,
    is_sent: bool,  # noqa: FBT001  # a column
) -> None:
    journal = Journal()
    queue = await make_queue(journal, attempts)
    journal.fail_next("publish jobs.tasks", *[DOWN] * failures)

    try:
        await queue.publish(make_new_job(), [b"task"], now_ms=1)
    except FetchBoxError as error:
        caught: FetchBoxError | None = error
    else:
        caught = None

    assert (caught is None) is is_sent
    assert journal.calls.count("publish jobs.tasks") == min(failures + 1, attempts)
    if caught is not None:
        assert caught.failure.code is FailureCode.SYSTEM_QUEUE_UNAVAILABLE


async def test_permanent_refusal_is_not_repeated() -> None:
    journal = Journal()
    queue = await make_queue(journal)
    journal.fail_next("publish jobs.status", fail(FailureCode.SYSTEM_INTERNAL, "too large"))

    with pytest.raises(FetchBoxError, match="SYSTEM_QUEUE_UNAVAILABLE"):
        await queue.publish(make_new_job(), [b"task"], now_ms=1)

    assert journal.calls == ["publish jobs.status"]


async def test_log_cursor_is_not_waited_for_long() -> None:
    journal = Journal()
    queue = await make_queue(journal)
    journal.before["describe jobs.logs"] = asyncio.Event().wait  # type: ignore[assignment]  # never returns

    async with asyncio.timeout(5):
        cursor = await queue.log_cursor(JOB_ID)

    assert cursor == Pointer(partition=partition_of(JOB_ID, 4), offset=0)


def test_broker_is_asked_for_the_ends_of_the_logs_once_a_second() -> None:
    """An older cursor costs a longer replay, never a log."""

    async def scenario() -> None:
        journal = Journal()
        queue = await make_queue(journal)
        looks = []
        for _ in range(21):
            await queue.log_cursor(JOB_ID)
            looks.append(journal.calls.count("describe jobs.logs"))
            await asyncio.sleep(0.1)

        assert (looks[0], looks[9], looks[11], looks[20]) == (1, 1, 2, 2)

    run_virtually(scenario())


async def test_broker_that_did_not_answer_is_asked_again_at_once() -> None:
    journal = Journal()
    queue = await make_queue(journal)
    journal.fail_next("describe jobs.logs", DOWN)

    await queue.log_cursor(JOB_ID)
    await queue.log_cursor(JOB_ID)

    assert journal.calls.count("describe jobs.logs") == 2
