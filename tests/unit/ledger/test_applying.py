"""What status events do to a job, on real SQLite (contract 6.3, 6.4, 6.5)."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetchbox.ledger.sqlite import SqliteLedger
from fetchbox.model.job import Job, JobState, LastError, Origin, Pointer
from fetchbox.model.outcome import StatusEvent
from tests.fakes.ledger import NOW, failed, make_job, queued, said, stored

LATER = NOW + 1000
FINAL = failed("c", failure_code="DOWNLOAD_HTTP_4XX", retryable=False)


async def apply(ledger: SqliteLedger, *events: StatusEvent, start: int = 0) -> Sequence[Job]:
    return await ledger.apply(0, list(enumerate(events, start)), now_ms=LATER)


async def job_of(ledger: SqliteLedger, job_id: str = "j-1") -> Job:
    job = await ledger.get(job_id)
    assert job is not None
    return job


def counts(job: Job) -> tuple[str, int, int, int]:
    return job.state, job.resource_total, job.resource_completed, job.resource_failed


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([], ("queued", 3, 0, 0), id="nothing"),
        pytest.param([queued(3)], ("queued", 3, 0, 0), id="queued"),
        pytest.param([queued(3), said()], ("in_progress", 3, 0, 0), id="announced"),
        pytest.param([queued(3), said(stored("a"))], ("in_progress", 3, 1, 0), id="some"),
        pytest.param(
            [queued(3), said(stored("a"), stored("b")), said(stored("c"))],
            ("completed", 3, 3, 0),
            id="completed",
        ),
        pytest.param(
            [queued(3), said(stored("a"), stored("b"), failed("c"))],
            ("partial", 3, 2, 1),
            id="partial",
        ),
        pytest.param(
            [queued(3), said(stored("a"), stored("b"), FINAL)], ("failed", 3, 2, 1), id="final"
        ),
        pytest.param(
            [queued(3), said(failed("a"), failed("b"), failed("c"))],
            ("failed", 3, 0, 3),
            id="all-failed",
        ),
        pytest.param(
            [queued(2), said(stored("a"), stored("b"))], ("completed", 2, 2, 0), id="less"
        ),
        pytest.param(
            [queued(4), said(stored("a"), stored("b"))], ("in_progress", 4, 2, 0), id="more"
        ),
        pytest.param([queued(3), queued(9)], ("queued", 3, 0, 0), id="total-is-said-once"),
        pytest.param(
            [said(stored("a"), stored("b"), stored("c"))], ("in_progress", 3, 3, 0), id="uncounted"
        ),
        pytest.param(
            [queued(1), said(stored("a")), said(stored("a")), said(failed("a"))],
            ("completed", 1, 1, 0),
            id="stored-stays-stored",
        ),
        pytest.param(
            [queued(2), said(stored("a"), FINAL), said(stored("c"))],
            ("completed", 2, 2, 0),
            id="replay-succeeds",
        ),
        pytest.param(
            [queued(2), said(stored("a"), FINAL), said(failed("c"))],
            ("partial", 2, 1, 1),
            id="replay-fails-otherwise",
        ),
        pytest.param(
            [queued(1), said(stored("a"), resources_completed=1, resources_failed=7)],
            ("completed", 1, 1, 0),
            id="counters-beside-outcomes-are-ignored",
        ),
        pytest.param(
            [
                queued(1),
                said(stored("a"), source="ledger"),
                said(source="ledger", resources_completed=1),
            ],
            ("queued", 1, 0, 0),
            id="own-events-are-ignored",
        ),
        pytest.param(
            [queued(1), said(replace(stored("a"), state=JobState.IN_PROGRESS))],
            ("in_progress", 1, 0, 0),
            id="unfinished-outcome",
        ),
        pytest.param(
            [
                queued(3),
                said(resources_completed=2, source=""),
                said(resources_failed=5, source=""),
            ],
            ("failed", 3, 2, 1),
            id="bare-counters-are-capped",
        ),
    ],
)
async def test_job_of_the_api(
    ledger: SqliteLedger, events: list[StatusEvent], expected: tuple[object, ...]
) -> None:
    await ledger.create_job(make_job())
    await apply(ledger, *events)
    assert counts(await job_of(ledger)) == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([said()], ("in_progress", 0, 0, 0), id="announced"),
        pytest.param([said(stored("a"))], ("completed", 1, 1, 0), id="total-grows"),
        pytest.param([said(stored("a")), said(failed("b"))], ("partial", 2, 1, 1), id="grows-on"),
        pytest.param([said(stored("a"), resources_total=4)], ("in_progress", 4, 1, 0), id="total"),
        pytest.param(
            [said(stored("a")), said(resources_total=2)], ("in_progress", 2, 1, 0), id="total-later"
        ),
        pytest.param(
            [said(stored("a"), stored("b"), resources_total=1)],
            ("completed", 2, 2, 0),
            id="total-too-small",
        ),
        pytest.param(
            [said(resources_completed=2), said(resources_completed=1)],
            ("completed", 3, 3, 0),
            id="bare-counters-without-total",
        ),
        pytest.param(
            [
                said(resources_total=2, resources_completed=1),
                said(resources_failed=1, last_error_code="DOWNLOAD_TIMEOUT"),
            ],
            ("partial", 2, 1, 1),
            id="bare-retryable",
        ),
        pytest.param(
            [
                said(resources_total=2, resources_completed=1),
                said(resources_failed=1, last_error_code="OTHERS"),
            ],
            ("failed", 2, 1, 1),
            id="bare-unknown-code",
        ),
        pytest.param([queued(2)], ("queued", 2, 0, 0), id="lost-job-of-the-api"),
    ],
)
async def test_unknown_job(
    ledger: SqliteLedger, events: list[StatusEvent], expected: tuple[object, ...]
) -> None:
    await apply(ledger, *events)
    job = await job_of(ledger)
    assert counts(job) == expected
    assert job.origin is (Origin.API if events[0].source == "api" else Origin.DIRECT)


async def test_ends_are_returned_until_they_are_announced(ledger: SqliteLedger) -> None:
    await ledger.create_job(make_job(resource_count=2))
    assert await apply(ledger, queued(2), said(stored("a"))) == []

    ended = await apply(ledger, said(failed("b")), start=2)
    assert [job.state for job in ended] == [JobState.PARTIAL]
    assert await apply(ledger, start=3) == ended

    await ledger.mark_announced(ended)
    assert await apply(ledger, said(failed("b")), start=3) == []
    again = await apply(ledger, said(stored("b")), start=4)
    assert [job.state for job in again] == [JobState.COMPLETED]


async def test_outdated_announcement_does_not_hide_a_newer_end(ledger: SqliteLedger) -> None:
    ended = await apply(ledger, said(failed("a")))
    await apply(ledger, said(stored("a")), start=1)
    await ledger.mark_announced(ended)
    assert [job.state for job in await apply(ledger)] == [JobState.COMPLETED]


async def test_offsets_are_applied_once(ledger: SqliteLedger) -> None:
    event = said(resources_completed=1, resources_total=9)
    await apply(ledger, event, event)
    await apply(ledger, event, event, event)
    assert (await job_of(ledger)).resource_completed == 3
    assert await ledger.applied() == {0: 2}


async def test_partitions_are_independent_and_can_be_rewound(ledger: SqliteLedger) -> None:
    event = said(resources_completed=1, resources_total=9)
    await ledger.apply(1, [(5, event)], now_ms=LATER)
    await ledger.apply(2, [(3, event)], now_ms=LATER)
    assert await ledger.applied() == {1: 5, 2: 3}
    await ledger.rewind(1)
    await ledger.apply(1, [(0, event)], now_ms=LATER)
    assert (await job_of(ledger)).resource_completed == 3
    assert await ledger.applied() == {1: 0, 2: 3}


async def test_failure_is_remembered_with_its_dead_letter(ledger: SqliteLedger) -> None:
    await ledger.create_job(make_job())
    outcome = failed("b", context={"proxy": "proxies/eu#1"})
    await apply(ledger, queued(3), said(outcome, log_offset=12))
    job = await job_of(ledger)
    assert job.last_error == LastError(
        code="DOWNLOAD_HTTP_5XX",
        message="origin answered 503",
        context={"resource_id": "b", "attempt": "3", "proxy": "proxies/eu#1"},
    )
    assert job.dlq == Pointer(partition=1, offset=4)
    assert (job.log_last_offset, job.updated_at_ms) == (12, NOW + 5)
    assert job.log_cursor == Pointer(partition=2, offset=7)


async def test_time_and_log_offset_only_grow(ledger: SqliteLedger) -> None:
    await apply(ledger, said(log_offset=12), said(log_offset=3, timestamp_ms=1))
    job = await job_of(ledger)
    assert (job.log_last_offset, job.updated_at_ms) == (12, NOW + 5)


async def test_numbers_beyond_sqlite_do_not_stop_the_ledger(ledger: SqliteLedger) -> None:
    huge = 2**64 - 1
    outcome = stored("a", size_bytes=huge)
    broken = failed("b", dlq=Pointer(partition=0, offset=huge))
    await apply(ledger, said(outcome, broken, timestamp_ms=huge, log_offset=huge))
    job = await job_of(ledger)
    assert job.updated_at_ms == LATER
    assert job.log_last_offset == 2**63 - 1


async def test_odd_ids_are_kept_apart(ledger: SqliteLedger) -> None:
    names = ["a", "a\0b", "a\0c", "", "ä", "A", "'; DROP TABLE job"]
    await apply(ledger, said(*map(stored, names), resources_total=7))
    await apply(ledger, said(*map(stored, names)), start=1)
    assert counts(await job_of(ledger)) == ("completed", 7, 7, 0)
    assert await ledger.completed_resources("j-1") == set(names)


async def test_resources_are_listed(ledger: SqliteLedger) -> None:
    await apply(ledger, said(stored("b"), failed("a")))
    first, second = await ledger.resources("j-1")
    assert (first.resource_id, first.state, first.attempts) == ("a", JobState.FAILED, 3)
    assert (second.resource_id, second.storage_key, second.size_bytes) == ("b", "k/b", 10)
    assert await ledger.completed_resources("j-1") == {"b"}
    assert await ledger.resources("nope") == []


async def test_aborted_job_stays_failed_but_counts(ledger: SqliteLedger) -> None:
    await ledger.create_job(make_job(resource_count=1))
    await ledger.abort_job("j-1", LastError(code="X", message="gone"), now_ms=NOW + 1)
    assert counts(await job_of(ledger)) == ("failed", 1, 0, 0)
    ended = await apply(ledger, queued(1), said(stored("a")))
    assert [counts(job) for job in ended] == [("failed", 1, 1, 0)]


async def test_published_total_may_differ_from_the_manifest(ledger: SqliteLedger) -> None:
    await ledger.create_job(make_job(resource_count=3))
    await ledger.mark_published("j-1", resource_total=1, now_ms=NOW + 1)
    await apply(ledger, said(stored("a")))
    job = await job_of(ledger)
    assert counts(job) == ("completed", 1, 1, 0)
    assert job.published_at_ms == NOW + 1


OUTCOMES = [stored("a"), failed("b"), stored("b"), failed("c"), failed("d", retryable=False)]


@settings(max_examples=40)
@given(
    sent=st.lists(st.lists(st.sampled_from(OUTCOMES), max_size=4), max_size=12).flatmap(
        lambda runs: st.permutations([[each] for each in OUTCOMES] + runs)
    ),
    is_direct=st.booleans(),
    batch=st.integers(1, 5),
)
def test_any_order_and_repetition_gives_the_same_counts(
    sent: list[list[object]], *, is_direct: bool, batch: int
) -> None:
    events = [said(*outcomes) for outcomes in sent]  # type: ignore[arg-type]  # from sampled_from

    async def play(folder: Path) -> Job:
        async with SqliteLedger(path=folder) as ledger:
            if not is_direct:
                await ledger.create_job(make_job(resource_count=4))
                await ledger.mark_published("j-1", resource_total=4, now_ms=NOW)
            for start in range(0, len(events), batch):
                await apply(ledger, *events[start : start + batch], start=start)
                await apply(ledger, *events[start : start + batch], start=start)
            return await job_of(ledger)

    with tempfile.TemporaryDirectory() as folder:
        assert counts(asyncio.run(play(Path(folder)))) == ("failed", 4, 2, 2)
