import logging
from typing import Any

import pytest

from fetchbox.broker import streams
from fetchbox.broker.port import BrokerUnavailableError
from fetchbox.ledger.sqlite import SqliteLedger
from fetchbox.model.dead_letters import WantedDeadLetters
from fetchbox.model.job import JobState, Pointer
from fetchbox.model.outcome import DeadLetter, Outcome, StatusEvent
from fetchbox.model.task import DownloadTask
from fetchbox.operations.partitions import read_span
from fetchbox.operations.replay import DeadLetterDesk
from fetchbox.wire.codec import decode_log, decode_task, encode_dead_letter
from tests.fakes.broker import FakeBroker

NOW = 1_755_595_800_000
ALL = WantedDeadLetters()


@pytest.fixture
def desk(broker: FakeBroker, ledger: SqliteLedger) -> DeadLetterDesk:
    return DeadLetterDesk(broker=broker, ledger=ledger, clock=lambda: NOW)


async def bury(broker: FakeBroker, job_id: str, resource_id: str, **changes: Any) -> Pointer:
    """Publish a dead letter; return its place."""
    at_ms = changes.pop("at_ms", 1000)
    code = changes.pop("code", "DOWNLOAD_HTTP_5XX")
    task = DownloadTask(
        **{
            "job_id": job_id,
            "job_type": "default",
            "resource_id": resource_id,
            "url": f"https://x.example/{resource_id}",
            "headers": (("authorization", "Bearer kept"),),
            "trace_id": "a" * 32,
            **changes,
        }
    )
    letter = DeadLetter(
        task=task, failure_code=code, failure_message="m", attempts=3, failed_at_ms=at_ms
    )
    place = await broker.publish(streams.DLQ, job_id or "unknown", [encode_dead_letter(letter)])
    assert place.offset is not None
    return Pointer(partition=place.partition, offset=place.offset)


async def complete(ledger: SqliteLedger, job_id: str, *resource_ids: str) -> None:
    outcomes = tuple(
        Outcome(resource_id=name, state=JobState.COMPLETED, storage_key="k")
        for name in resource_ids
    )
    event = StatusEvent(
        job_id=job_id, job_type="default", state=JobState.IN_PROGRESS, outcomes=outcomes
    )
    await ledger.apply(0, [(0, event)], now_ms=NOW)


def replayed(broker: FakeBroker) -> list[DownloadTask]:
    return [decode_task(payload) for payload in broker.payloads(streams.TASKS)]


async def names(desk: DeadLetterDesk, wanted: WantedDeadLetters, limit: int = 100) -> list[str]:
    return [each.letter.task.resource_id for each in await desk.find(wanted, limit=limit)]


async def test_letters_are_found_over_all_partitions_newest_last(
    desk: DeadLetterDesk, broker: FakeBroker
) -> None:
    places = {
        (await bury(broker, f"job-{number}", f"r{number}", at_ms=at_ms)).partition
        for number, at_ms in enumerate([5000, 1000, 3000, 2000, 4000, 6000])
    }
    assert len(places) == 2
    assert await names(desk, ALL) == ["r1", "r3", "r2", "r4", "r0", "r5"]


async def test_the_limit_keeps_the_newest(desk: DeadLetterDesk, broker: FakeBroker) -> None:
    for number in range(10):
        await bury(broker, f"job-{number}", f"r{number}", at_ms=number)
    assert await names(desk, ALL, limit=3) == ["r7", "r8", "r9"]


async def test_letters_are_found_by_job_code_and_place(
    desk: DeadLetterDesk, broker: FakeBroker
) -> None:
    await bury(broker, "job-a", "a1")
    place = await bury(broker, "job-a", "a2", code="UPLOAD_NETWORK")
    await bury(broker, "job-b", "b1", code="UPLOAD_NETWORK")
    assert await names(desk, WantedDeadLetters(job_id="job-a")) == ["a1", "a2"]
    assert sorted(await names(desk, WantedDeadLetters(code="UPLOAD_NETWORK"))) == ["a2", "b1"]
    assert await names(desk, WantedDeadLetters(pointer=place)) == ["a2"]
    assert await names(desk, WantedDeadLetters(pointer=place, job_id="job-b")) == []
    nowhere = Pointer(partition=place.partition, offset=99)
    assert await names(desk, WantedDeadLetters(pointer=nowhere)) == []


async def test_what_is_not_a_letter_is_skipped_and_logged(
    desk: DeadLetterDesk, broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    await broker.publish(streams.DLQ, "job-a", [b"\xff\xff"])
    await bury(broker, "job-a", "a1")
    with caplog.at_level(logging.WARNING):
        assert await names(desk, ALL) == ["a1"]
    assert "message skipped" in caplog.messages


async def test_purged_letters_are_gone(desk: DeadLetterDesk, broker: FakeBroker) -> None:
    await bury(broker, "job-a", "a1")
    await broker.purge(streams.DLQ)
    await bury(broker, "job-a", "a2")
    assert await names(desk, ALL) == ["a2"]


async def test_many_letters_are_read_page_by_page(desk: DeadLetterDesk, broker: FakeBroker) -> None:
    for number in range(2100):
        await bury(broker, "job-a", f"r{number}", at_ms=number)
    assert len(await names(desk, ALL, limit=10_000)) == 2100


async def test_a_replay_publishes_the_task_as_received_one_attempt_further(
    desk: DeadLetterDesk, broker: FakeBroker
) -> None:
    await bury(broker, "job-a", "a1", attempt=2, extra=b"{}", tenant="acme")
    report = await desk.replay(ALL, limit=10)
    assert (report.replayed, report.skipped, len(report.entries)) == (1, 0, 1)
    [task] = replayed(broker)
    assert task.attempt == 3
    assert task.headers == (("authorization", "Bearer kept"),)
    assert (task.job_id, task.resource_id, task.tenant) == ("job-a", "a1", "acme")
    number = streams.partition_of("job-a", streams.PARTITIONS[streams.TASKS])
    assert len(broker.log.topics[streams.TASKS][number]) == 1


async def test_completed_resources_are_skipped(
    desk: DeadLetterDesk, broker: FakeBroker, ledger: SqliteLedger
) -> None:
    for name in ("a1", "a2", "a3"):
        await bury(broker, "job-a", name)
    await complete(ledger, "job-a", "a1", "a3")
    report = await desk.replay(ALL, limit=10)
    assert (report.replayed, report.skipped, len(report.entries)) == (1, 2, 3)
    assert [task.resource_id for task in replayed(broker)] == ["a2"]


async def test_a_resource_is_replayed_once_from_its_newest_letter(
    desk: DeadLetterDesk, broker: FakeBroker
) -> None:
    await bury(broker, "job-a", "a1", attempt=1, at_ms=1)
    await bury(broker, "job-a", "a1", attempt=2, at_ms=2)
    await bury(broker, "job-b", "a1", attempt=1, at_ms=3)
    report = await desk.replay(ALL, limit=10)
    assert (report.replayed, report.skipped) == (2, 1)
    found = sorted((task.job_id, task.attempt) for task in replayed(broker))
    assert found == [("job-a", 3), ("job-b", 2)]


@pytest.mark.parametrize(
    ("job_id", "changes"),
    [
        pytest.param("", {"code": "SYSTEM_DECODE_ERROR", "extra": b"\xff"}, id="undecodable"),
        pytest.param("job-a", {"code": "SYSTEM_DECODE_ERROR"}, id="code-alone"),
        pytest.param("", {"code": "VALIDATION_MISSING_FIELD"}, id="no-job"),
        pytest.param("job-a", {"url": ""}, id="no-url"),
    ],
)
async def test_a_letter_without_a_task_to_carry_out_is_skipped(
    desk: DeadLetterDesk, broker: FakeBroker, job_id: str, changes: dict[str, Any]
) -> None:
    await bury(broker, job_id, "a1", **changes)
    report = await desk.replay(ALL, limit=10)
    assert (report.replayed, report.skipped, len(report.entries)) == (0, 1, 1)
    assert replayed(broker) == []


async def test_nothing_found_is_nothing_done(desk: DeadLetterDesk, broker: FakeBroker) -> None:
    report = await desk.replay(WantedDeadLetters(job_id="none"), limit=10)
    assert (report.replayed, report.skipped, list(report.entries)) == (0, 0, [])
    assert broker.payloads(streams.LOGS) == []


async def test_a_replay_is_in_the_job_s_log(desk: DeadLetterDesk, broker: FakeBroker) -> None:
    await bury(broker, "job-a", "a1")
    await desk.replay(ALL, limit=10)
    [event] = [decode_log(payload) for payload in broker.payloads(streams.LOGS)]
    assert (event.job_id, event.resource_id, event.timestamp_ms) == ("job-a", "a1", NOW)
    assert event.fields == {"event": "task.replayed", "attempt": "2"}


async def test_a_broker_that_goes_away_is_told(desk: DeadLetterDesk, broker: FakeBroker) -> None:
    await bury(broker, "job-a", "a1")
    broker.fail_next(BrokerUnavailableError("away"))
    with pytest.raises(BrokerUnavailableError):
        await desk.replay(ALL, limit=10)


async def test_letters_dropped_while_they_are_read_do_not_hold_the_reader_up(
    broker: FakeBroker,
) -> None:
    await bury(broker, "job-a", "a1")
    spans = [span for span in await broker.describe(streams.DLQ) if span.next]
    await broker.purge(streams.DLQ)
    assert [each async for each in read_span(broker, streams.DLQ, spans[0])] == []
