"""From jobs.status to the ledger and back, over the fake broker and a real ledger."""

import asyncio
import logging

import pytest

from fetchbox.broker.port import BrokerUnavailableError
from fetchbox.broker.streams import OPERATORS, STATUS
from fetchbox.handlers.port import JobSummary
from fetchbox.ledger.port import LedgerError
from fetchbox.model.job import JobState, LastError
from fetchbox.tracking.follow import SLICE_BYTES
from tests.fakes.ledger import NOW, failed, make_job, queued, said, stored
from tests.fakes.tracking import UNREADABLE, Desk

AWAY = BrokerUnavailableError("away")


async def test_job_is_tracked_to_its_end_and_announced(desk: Desk) -> None:
    await desk.ledger.create_job(make_job(resource_count=2))
    await desk.say(queued(2), said(stored("a")), said(failed("b"), log_offset=4))
    await desk.settle()

    job = await desk.job("j-1")
    assert job.state is JobState.PARTIAL
    (told,) = desk.told()
    assert (told.state, told.resources_total) == (JobState.PARTIAL, 2)
    assert (told.resources_completed, told.resources_failed) == (1, 1)
    assert (told.last_error_code, told.log_offset) == ("DOWNLOAD_HTTP_5XX", 4)
    assert desk.handler.summaries == [
        JobSummary(
            job_id="j-1",
            job_type="default",
            total_resources=2,
            completed_resources=1,
            failed_resources=1,
        )
    ]


async def test_replay_is_announced_again_but_finalized_once(desk: Desk) -> None:
    await desk.say(said(failed("a"), resources_total=1))
    await desk.settle()
    await desk.say(said(failed("a")), said(stored("a")), said(stored("a")))
    await desk.settle()

    assert [event.state for event in desk.told()] == [JobState.FAILED, JobState.COMPLETED]
    assert len(desk.handler.summaries) == 1


async def test_jobs_of_all_partitions_are_tracked(desk: Desk) -> None:
    names = [f"j-{number}" for number in range(40)]
    await desk.say(*(said(stored("a"), job_id=name, resources_total=1) for name in names))
    await desk.settle()
    assert sorted(event.job_id for event in desk.told()) == sorted(names)
    assert (await desk.ledger.stats()).jobs == 40


async def test_backlog_is_taken_in_slices(desk: Desk) -> None:
    text = "x" * (SLICE_BYTES // 3)
    await desk.say(*(said(stored(f"r-{n}", storage_key=text), resources_total=9) for n in range(9)))
    await desk.settle()
    assert [event.resources_completed for event in desk.told()] == [9]


async def test_undecodable_message_is_logged_and_skipped(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.broker.publish(STATUS, "j-1", [UNREADABLE])
    await desk.say(said(stored("a"), resources_total=1))
    await desk.settle()
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert (record.message, vars(record)["offset"]) == ("status message skipped", 0)
    assert len(desk.told()) == 1


@pytest.mark.parametrize("error", [RuntimeError("theirs"), LedgerError("odd"), TimeoutError()])
async def test_error_of_a_handler_is_only_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    desk.handler.error = error
    await desk.say(said(stored("a"), resources_total=1))
    await desk.settle()
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert (vars(record)["code"], vars(record)["job_id"]) == ("HANDLER_FINALIZATION", "j-1")
    assert len(desk.handler.summaries) == len(desk.told()) == 1


async def test_job_of_an_unknown_type_is_tracked_too(desk: Desk) -> None:
    await desk.say(said(stored("a"), job_type="theirs", resources_total=1))
    await desk.settle()
    assert [event.job_type for event in desk.told()] == ["theirs"]
    assert desk.handler.summaries == []


@pytest.mark.parametrize("step", range(9))
async def test_outage_of_the_broker_at_any_call_loses_nothing(desk: Desk, step: int) -> None:
    """The calls are, in turn: describe, subscribe, next, publish, settle, next, ..."""
    await desk.say(said(stored("a"), stored("b"), resources_total=2))
    failures: list[Exception | None] = [*[None] * step, AWAY, AWAY]

    def check() -> None:
        if failures and (error := failures.pop(0)) is not None:
            raise error

    desk.broker.check = check  # type: ignore[method-assign]  # the finest lever there is
    await desk.settle()

    job = await desk.job("j-1")
    assert (job.state, job.resource_completed) == (JobState.COMPLETED, 2)
    assert len(desk.handler.summaries) == 1
    assert {event.state for event in desk.told()} == {JobState.COMPLETED}


async def test_outage_of_the_ledger_is_waited_for(desk: Desk) -> None:
    desk.ledger.fail_next(*[LedgerError("disk full")] * 9)
    await desk.say(said(stored("a"), resources_total=1))
    await desk.settle()
    assert desk.delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert len(desk.told()) == 1


async def test_crash_between_apply_and_announcement_is_made_up_for(
    desk: Desk, partition: int
) -> None:
    event = said(stored("a"), resources_total=1)
    await desk.say(event)
    await desk.ledger.apply(partition, [(0, event)], now_ms=NOW)  # and then the process died

    await desk.settle()

    assert [told.state for told in desk.told()] == [JobState.COMPLETED]
    assert len(desk.handler.summaries) == 1


async def test_aborted_job_is_announced_with_what_comes_next(desk: Desk) -> None:
    await desk.ledger.create_job(make_job("gone"))
    await desk.ledger.abort_job("gone", LastError(code="X", message="x"), now_ms=NOW)
    await desk.say(said())
    await desk.settle()
    assert [(told.job_id, told.state) for told in desk.told()] == [("gone", JobState.FAILED)]
    assert [summary.job_id for summary in desk.handler.summaries] == ["gone"]


async def test_stop_ends_an_idle_follower(desk: Desk) -> None:
    async with desk.following():
        await desk.until(lambda: bool(desk.broker.subscriptions))
    assert desk.broker.log.members[STATUS, OPERATORS] == []


async def test_stop_ends_a_follower_that_is_backing_off(desk: Desk) -> None:
    desk.hold = True
    desk.ledger.fail_next(LedgerError("disk full"))
    await desk.say(said(stored("a"), resources_total=1))
    async with desk.following():
        await desk.until(lambda: bool(desk.delays))
    assert desk.broker.log.committed[STATUS, OPERATORS].get(0, 0) == 0
    assert await desk.ledger.get("j-1") is None

    desk.hold = False
    await desk.settle()
    assert len(desk.told()) == 1


async def test_follower_told_to_stop_before_it_starts_does_nothing(desk: Desk) -> None:
    desk.stop.set()
    async with asyncio.timeout(5):
        await desk.follower().run(desk.stop)
    assert desk.broker.subscriptions == []


async def test_topic_may_be_made_later(desk: Desk) -> None:
    topics = desk.broker.log.topics.copy()
    del desk.broker.log.topics[STATUS]
    async with desk.following():
        await desk.until(lambda: len(desk.delays) > 2)
        desk.broker.log.topics.update(topics)
        await desk.say(said(stored("a"), resources_total=1))
        await desk.until(desk.is_settled)
    assert len(desk.told()) == 1
