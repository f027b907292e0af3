"""The ledger as a whole: intake's side, lists, export, one process, reopening."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from fetchbox.ledger.port import IdempotencyKey, JobFilter, LedgerError
from fetchbox.ledger.reading import EXPORT_PAGE, EXPORT_RESOURCES
from fetchbox.ledger.sqlite import SqliteLedger
from fetchbox.model.job import JobState, LastError
from tests.fakes.ledger import NOW, failed, make_job, said, stored

KEY = IdempotencyKey(tenant="acme", job_type="default", key="once")
ERROR = LastError(code="X", message="x", context={"topic": "jobs.tasks"})
ALL = JobFilter()

#: Opens the ledger in the folder of its first argument and dies without closing it.
DYING = """
import asyncio, os, sys
from pathlib import Path
from fetchbox.ledger.sqlite import SqliteLedger
from tests.fakes.ledger import make_job, said, stored

async def main():
    ledger = await SqliteLedger(path=Path(sys.argv[1])).__aenter__()
    await ledger.create_job(make_job())
    await ledger.apply(0, [(0, said(stored("a")))], now_ms=9)
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(9)

asyncio.run(main())
"""


async def test_key_leads_to_its_job(ledger: SqliteLedger) -> None:
    assert await ledger.find_accepted(KEY) is None
    await ledger.create_job(make_job(idempotency=KEY))
    found = await ledger.find_accepted(KEY)
    assert found is not None
    assert (found.job_id, found.manifest_sha256, found.resource_count) == ("j-1", "ab", 3)
    assert (found.state, found.is_published) == (JobState.QUEUED, False)

    await ledger.mark_published("j-1", resource_total=2, now_ms=NOW + 1)
    found = await ledger.find_accepted(KEY)
    assert found is not None
    assert (found.is_published, found.resource_count) == (True, 3)


@pytest.mark.parametrize(
    "other",
    [
        IdempotencyKey(tenant="zeta", job_type="default", key="once"),
        IdempotencyKey(tenant="acme", job_type="gallery", key="once"),
        IdempotencyKey(tenant="acme", job_type="default", key="twice"),
    ],
)
async def test_keys_have_a_scope(ledger: SqliteLedger, other: IdempotencyKey) -> None:
    await ledger.create_job(make_job(idempotency=KEY))
    assert await ledger.find_accepted(other) is None


async def test_key_of_an_aborted_job_can_be_bound_again(ledger: SqliteLedger) -> None:
    await ledger.create_job(make_job(idempotency=KEY))
    await ledger.abort_job("j-1", ERROR, now_ms=NOW + 1)
    found = await ledger.find_accepted(KEY)
    assert found is not None
    assert found.state is JobState.FAILED

    await ledger.create_job(make_job("j-2", idempotency=KEY))
    found = await ledger.find_accepted(KEY)
    assert found is not None
    assert found.job_id == "j-2"


async def test_abort_is_seen(ledger: SqliteLedger) -> None:
    await ledger.create_job(make_job())
    await ledger.abort_job("j-1", ERROR, now_ms=NOW + 1)
    job = await ledger.get("j-1")
    assert job is not None
    assert (job.state, job.last_error, job.updated_at_ms) == (JobState.FAILED, ERROR, NOW + 1)


async def test_job_ids_are_used_once_and_others_are_not_disturbed(ledger: SqliteLedger) -> None:
    outcomes = await asyncio.gather(
        ledger.create_job(make_job("j-1")),
        ledger.create_job(make_job("j-1")),
        ledger.create_job(make_job("j-2")),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), LedgerError, type(None)]
    assert await ledger.get("j-2") is not None


async def test_unknown_job_cannot_be_changed(ledger: SqliteLedger) -> None:
    assert await ledger.get("nope") is None
    with pytest.raises(LedgerError, match="no job nope"):
        await ledger.abort_job("nope", ERROR, now_ms=1)
    with pytest.raises(LedgerError, match="pruned"):
        await ledger.mark_published("nope", resource_total=1, now_ms=1)
    assert await ledger.mark_finalized("nope", now_ms=1) is False


async def test_end_is_claimed_once(ledger: SqliteLedger) -> None:
    await ledger.create_job(make_job())
    claims = [await ledger.mark_finalized("j-1", now_ms=NOW) for _ in range(3)]
    assert claims == [True, False, False]


async def test_pages_are_complete_also_at_the_same_millisecond(ledger: SqliteLedger) -> None:
    for number in range(9):
        await ledger.create_job(make_job(f"j-{number}", created_at_ms=NOW + number // 4))
    seen: list[str] = []
    while page := await ledger.list_jobs(ALL, limit=2, before=seen[-1] if seen else None):
        seen += [job.job_id for job in page]
    assert seen == [f"j-{number}" for number in reversed(range(9))]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(ALL, ["done", "half", "lost", "new"], id="all"),
        pytest.param(JobFilter(status="failed"), ["half", "lost"], id="partial-counts-as-failed"),
        pytest.param(JobFilter(status="queued"), ["new"], id="queued"),
        pytest.param(JobFilter(status="completed"), ["done"], id="completed"),
        pytest.param(JobFilter(tenant="zeta"), ["half"], id="tenant"),
        pytest.param(JobFilter(job_type="gallery"), ["lost"], id="type"),
        pytest.param(JobFilter(status="failed", tenant="acme"), ["lost"], id="both"),
        pytest.param(JobFilter(tenant="' OR 1"), [], id="none"),
    ],
)
async def test_jobs_are_filtered(
    ledger: SqliteLedger, wanted: JobFilter, expected: list[str]
) -> None:
    await ledger.create_job(make_job("new", created_at_ms=1))
    await ledger.create_job(make_job("lost", created_at_ms=2, job_type="gallery"))
    await ledger.abort_job("lost", ERROR, now_ms=9)
    half = said(stored("a"), failed("b"), job_id="half", tenant="zeta", timestamp_ms=3)
    done = said(stored("a"), job_id="done", timestamp_ms=4)
    await ledger.apply(0, [(0, half), (1, done)], now_ms=10)

    assert [job.job_id for job in await ledger.list_jobs(wanted, limit=9, before=None)] == expected
    if expected:
        rest = await ledger.list_jobs(wanted, limit=9, before=expected[0])
        assert [job.job_id for job in rest] == expected[1:]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (ALL, "job_by_time"),
        (JobFilter(status="failed"), "job_by_status"),
        (JobFilter(tenant="acme"), "job_by_tenant"),
        (JobFilter(job_type="default"), "job_by_type"),
    ],
)
async def test_lists_are_read_from_an_index(
    ledger: SqliteLedger, tmp_path: Path, wanted: JobFilter, index: str
) -> None:
    """A list must not become slow with the number of jobs."""
    statements: list[str] = []

    def note(_cursor: object, sql: str, _bindings: object) -> bool:
        statements.append(sql)
        return True

    def trace(connection: apsw.Connection, _signals: set[bytes]) -> None:
        connection.exec_trace = note

    await ledger._reads.submit(trace)
    await ledger.list_jobs(wanted, limit=5, before="j-1")
    select = next(sql for sql in statements if "FROM job" in sql)
    connection = apsw.Connection(str(tmp_path / "ledger.db"))
    values = ["x"] * select.count("?")
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {select}", values)]
    connection.close()
    assert any(index in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps


async def test_latest_failures_come_first(ledger: SqliteLedger) -> None:
    for number, at_ms in enumerate([30, 10, 20]):
        await ledger.create_job(make_job(f"j-{number}", created_at_ms=1))
        await ledger.abort_job(f"j-{number}", ERROR, now_ms=at_ms)
    await ledger.create_job(make_job("fine"))
    assert [job.job_id for job in await ledger.list_failures(2)] == ["j-0", "j-2"]


async def test_export_has_every_job_with_its_resources(ledger: SqliteLedger) -> None:
    for number in range(EXPORT_PAGE + 5):
        await ledger.create_job(make_job(f"j-{number:03}", created_at_ms=1_000_000 - number))
    events = [said(stored("a"), failed("b"), job_id="j-000", timestamp_ms=2_000_000)]
    await ledger.apply(0, list(enumerate(events)), now_ms=2_000_000)
    rows = [row async for row in ledger.export()]

    expected = [f"j-{number:03}" for number in reversed(range(EXPORT_PAGE + 5))]
    assert [row["job_id"] for row in rows] == expected
    last = json.loads(json.dumps(rows[-1]))
    assert (last["status"], last["resource_completed"]) == ("in_progress", 1)
    assert last["created_at"] == "1970-01-01T00:16:40.000Z"
    assert [each["resource_id"] for each in last["resources"]] == ["a", "b"]
    assert last["last_error"]["context"]["resource_id"] == "b"
    assert last["dlq"] == {"partition": 1, "offset": 4}
    assert rows[0]["published_at"] is None


async def test_export_of_jobs_with_many_resources_is_complete(ledger: SqliteLedger) -> None:
    many = [stored(f"r-{number}") for number in range(EXPORT_RESOURCES)]
    events = [said(*many, job_id=f"j-{number}") for number in range(3)]
    await ledger.apply(0, list(enumerate(events)), now_ms=NOW)
    rows = [row async for row in ledger.export()]
    assert [row["job_id"] for row in rows] == ["j-0", "j-1", "j-2"]


async def test_stats_count(ledger: SqliteLedger) -> None:
    await ledger.create_job(make_job(idempotency=KEY))
    await ledger.apply(0, [(0, said(stored("a"), failed("b")))], now_ms=NOW)
    stats = await ledger.stats()
    assert (stats.jobs, stats.resources, stats.idempotency_keys) == (1, 2, 1)
    assert stats.size_bytes > 8192


async def test_check_takes_the_write_lock(ledger: SqliteLedger, tmp_path: Path) -> None:
    await ledger.check()
    other = apsw.Connection(str(tmp_path / "ledger.db"))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await ledger.check()
    other.close()
    await ledger.check()


async def test_closed_ledger_says_so(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="closed"):
        await SqliteLedger(path=tmp_path).check()


async def test_second_ledger_in_the_same_folder_is_refused(
    ledger: SqliteLedger, tmp_path: Path
) -> None:
    with pytest.raises(LedgerError, match=r"in use by process \d+; only one"):
        async with SqliteLedger(path=tmp_path):
            pass
    await ledger.create_job(make_job())  # the first is unharmed


async def test_ledger_of_a_killed_process_is_refused_before_and_complete_after(
    tmp_path: Path,
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        DYING,
        str(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    with pytest.raises(LedgerError, match=f"in use by process {process.pid}"):
        async with SqliteLedger(path=tmp_path):
            pass

    process.kill()
    await process.communicate()
    async with SqliteLedger(path=tmp_path) as reopened:
        job = await reopened.get("j-1")
        assert job is not None
        assert job.resource_completed == 1
        assert await reopened.applied() == {0: 0}
        await reopened.create_job(make_job("j-2"))


async def test_ledger_is_there_again_after_closing(tmp_path: Path) -> None:
    async with SqliteLedger(path=tmp_path) as ledger:
        await ledger.create_job(make_job())
    async with SqliteLedger(path=tmp_path) as ledger:
        assert await ledger.get("j-1") is not None


async def test_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    async with SqliteLedger(path=tmp_path):
        pass
    connection = apsw.Connection(str(tmp_path / "ledger.db"))
    connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    connection.close()
    with pytest.raises(LedgerError, match="schema version 99"):
        async with SqliteLedger(path=tmp_path):
            pass


async def test_unusable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match=r"server\.ledger_path"):
        async with SqliteLedger(path=tmp_path / "file"):
            pass


async def test_damaged_file_is_refused_and_the_lock_released(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database" * 1000)
    for _ in range(2):
        with pytest.raises(LedgerError, match="no SQLite database"):
            async with SqliteLedger(path=tmp_path):
                pass
