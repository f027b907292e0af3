"""A ledger that is behind the log, or ahead of it."""

from pathlib import Path

import pytest

from fetchbox.broker.streams import OPERATORS, STATUS
from fetchbox.model.job import JobState
from tests.fakes.broker import FakeBroker
from tests.fakes.ledger import FlakyLedger, failed, make_job, queued, said, stored
from tests.fakes.tracking import UNREADABLE, Desk


async def test_new_ledger_is_filled_from_the_log(desk: Desk, tmp_path: Path) -> None:
    await desk.ledger.create_job(make_job(resource_count=2))
    await desk.say(queued(2), said(stored("a")), said(failed("b")))
    await desk.say(queued(5, job_id="j-2"), said(stored("x"), job_id="j-2"))
    await desk.settle()
    before = [await desk.job(job_id) for job_id in ("j-1", "j-2")]

    async with FlakyLedger(path=tmp_path / "new") as ledger:
        desk.ledger = ledger
        await desk.say(said(stored("y"), job_id="j-2"))
        await desk.settle()
        after = [await desk.job(job_id) for job_id in ("j-1", "j-2")]

    assert [(job.state, job.resource_completed) for job in before] == [
        (JobState.PARTIAL, 1),
        (JobState.IN_PROGRESS, 1),
    ]
    assert [(job.state, job.resource_completed, job.resource_total) for job in after] == [
        (JobState.PARTIAL, 1, 2),
        (JobState.IN_PROGRESS, 2, 5),
    ]
    assert len(desk.told()) == len(desk.handler.summaries) == 1  # not announced twice


async def test_end_that_was_never_announced_is_announced_after_catching_up(
    desk: Desk, partition: int
) -> None:
    await desk.say(said(stored("a"), resources_total=1))
    desk.broker.log.committed[STATUS, OPERATORS][partition] = 1
    async with desk.following():
        await desk.say(said(job_id="j-2"))
        await desk.until(lambda: bool(desk.told()))
    assert [told.job_id for told in desk.told()] == ["j-1"]


async def test_unreadable_message_at_the_end_is_not_caught_up_again(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.broker.publish(STATUS, "j-1", [UNREADABLE])
    await desk.settle()
    caplog.clear()
    await desk.settle()
    assert caplog.records == []


async def test_log_that_was_replaced_is_followed_from_its_start(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.say(said(), said(), said(stored("a"), resources_total=3))
    await desk.settle()

    former, desk.broker = desk.broker, FakeBroker()
    desk.broker.log.topics = {name: [[] for _ in each] for name, each in former.log.topics.items()}
    await desk.say(said(stored("b")))
    await desk.settle()

    job = await desk.job("j-1")
    assert job.resource_completed == 2
    assert "jobs.status was replaced; following the new log" in caplog.messages


async def test_broker_that_cannot_tell_how_far_the_group_is_costs_nothing_but_reading(
    desk: Desk,
) -> None:
    desk.broker.log.committed.clear()
    await desk.say(queued(2), said(resources_completed=1), said(stored("b")))
    await desk.broker.publish(STATUS, "j-1", [UNREADABLE])
    async with desk.following():
        await desk.until(lambda: bool(desk.told()))
    job = await desk.job("j-1")
    assert (job.state, job.resource_completed) == (JobState.COMPLETED, 2)
    assert len(desk.told()) == len(desk.handler.summaries) == 1
