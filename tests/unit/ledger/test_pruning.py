"""What pruning removes and what it must leave (contract 6.6)."""

from dataclasses import replace
from pathlib import Path

import pytest

from fetchbox.ledger.port import IdempotencyKey, JobFilter
from fetchbox.ledger.sqlite import SqliteLedger
from tests.fakes.ledger import DAY_MS, KEEP_ALL, NOW, failed, make_job, said, stored


async def jobs_in(ledger: SqliteLedger) -> set[str]:
    return {job.job_id for job in await ledger.list_jobs(JobFilter(), limit=10_000, before=None)}


async def fill(ledger: SqliteLedger, count: int, resources: int = 40) -> None:
    """Make jobs that end one after another, and one in three that does not end."""
    events = [
        said(
            *(stored(f"r-{each}", storage_key="k" * 200) for each in range(resources)),
            job_id=f"j-{number:03}",
            timestamp_ms=NOW + number,
            resources_total=resources + (number % 3 == 0),
        )
        for number in range(count)
    ]
    await ledger.apply(0, list(enumerate(events)), now_ms=NOW + count)


@pytest.mark.parametrize(
    ("age_ms", "left"), [(30 * DAY_MS, ["j-1"]), (30 * DAY_MS + 1, [])], ids=["young", "old"]
)
async def test_age_counts_from_the_last_change(
    ledger: SqliteLedger, age_ms: int, left: list[str]
) -> None:
    await ledger.create_job(make_job(created_at_ms=NOW - 900 * DAY_MS))
    await ledger.apply(0, [(0, said(stored("a"), timestamp_ms=NOW))], now_ms=NOW)
    pruned = await ledger.prune(KEEP_ALL, now_ms=NOW + age_ms)
    assert pruned == 1 - len(left)
    assert await jobs_in(ledger) == set(left)
    assert len(await ledger.resources("j-1")) == len(left)


async def test_old_jobs_go_in_whatever_state(ledger: SqliteLedger) -> None:
    await ledger.create_job(make_job("queued"))
    await ledger.apply(0, [(0, said(failed("a"), job_id="f"))], now_ms=NOW + 5)
    assert await ledger.prune(KEEP_ALL, now_ms=NOW + 31 * DAY_MS) == 2


async def test_many_old_jobs_go_at_once(ledger: SqliteLedger) -> None:
    await fill(ledger, 450, resources=1)
    assert await ledger.prune(KEEP_ALL, now_ms=NOW + 31 * DAY_MS) == 450
    assert await jobs_in(ledger) == set()


async def test_oldest_ended_jobs_go_when_the_ledger_is_too_large(ledger: SqliteLedger) -> None:
    await fill(ledger, 600)
    before = await jobs_in(ledger)
    retention = replace(KEEP_ALL, max_bytes=4_000_000)

    pruned = await ledger.prune(retention, now_ms=NOW + 1000)

    left = await jobs_in(ledger)
    gone = sorted(before - left)
    ended = sorted(job_id for job_id in before if int(job_id[2:]) % 3)
    assert pruned == len(gone)
    assert 0 < len(gone) < len(ended)
    assert gone == ended[: len(gone)]


async def test_jobs_that_have_not_ended_stay_however_large_the_ledger(
    ledger: SqliteLedger,
) -> None:
    await fill(ledger, 30)
    await ledger.prune(replace(KEEP_ALL, max_bytes=1), now_ms=NOW + 1000)
    assert await jobs_in(ledger) == {f"j-{number:03}" for number in range(0, 30, 3)}


async def test_pruned_space_is_given_back(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    async with SqliteLedger(path=tmp_path) as ledger:
        await fill(ledger, 300)
    full = file.stat().st_size
    async with SqliteLedger(path=tmp_path) as ledger:
        await ledger.prune(KEEP_ALL, now_ms=NOW + 31 * DAY_MS)
    assert file.stat().st_size < full / 4


async def test_keys_are_forgotten_by_their_own_age(ledger: SqliteLedger) -> None:
    key = IdempotencyKey(tenant="acme", job_type="default", key="once")
    await ledger.create_job(make_job(idempotency=key))
    await ledger.prune(KEEP_ALL, now_ms=NOW + 14 * DAY_MS)
    assert await ledger.find_accepted(key) is not None
    await ledger.prune(KEEP_ALL, now_ms=NOW + 14 * DAY_MS + 1)
    assert await ledger.find_accepted(key) is None
    assert await ledger.get("j-1") is not None


async def test_key_of_a_pruned_job_is_a_miss(ledger: SqliteLedger) -> None:
    key = IdempotencyKey(tenant="acme", job_type="default", key="once")
    await ledger.create_job(make_job(idempotency=key))
    retention = replace(KEEP_ALL, idempotency_ttl_ms=900 * DAY_MS)
    await ledger.prune(retention, now_ms=NOW + 31 * DAY_MS)
    assert await ledger.find_accepted(key) is None
