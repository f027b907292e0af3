"""What operators read of the ledger, and its upkeep."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fetchbox.api.answers import job_answer
from fetchbox.api.app import create_app
from fetchbox.ledger.port import LedgerError, NewJob
from fetchbox.ledger.sqlite import SqliteLedger
from fetchbox.model.job import Job, JobState, LastError, Origin, Pointer
from tests.fakes.api import make_options, make_services
from tests.fakes.asgi import AsgiClient

JOB = Job(
    job_id="j-1",
    job_type="default",
    tenant="acme",
    state=JobState.PARTIAL,
    created_at_ms=1_755_595_800_000,
    updated_at_ms=1_755_595_801_250,
    resource_total=3,
    resource_completed=2,
    resource_failed=1,
    manifest_key="s3://b/manifests/default/j-1/metadata.json",
    log_cursor=Pointer(partition=2, offset=1041),
    log_last_offset=1050,
    last_error=LastError(code="DOWNLOAD_HTTP_5XX", message="503", context={"attempt": "3"}),
    dlq=Pointer(partition=1, offset=7),
    trace_id="t",
    origin=Origin.API,
    published_at_ms=None,
)


def new_job(number: int, **changes: Any) -> NewJob:
    job = NewJob(
        job_id=f"j-{number:03}",
        job_type="default",
        tenant="acme",
        manifest_key=f"s3://b/{number}",
        manifest_sha256="",
        resource_count=2,
        log_cursor=Pointer(partition=0, offset=0),
        trace_id="t",
        created_at_ms=number,
    )
    return replace(job, **changes)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    async with SqliteLedger(path=tmp_path) as opened:
        yield opened


@pytest.fixture
def client(ledger: SqliteLedger) -> AsgiClient:
    return over(ledger)


def over(ledger: Any, **services: Any) -> AsgiClient:
    on = make_services(ledger, **services)
    return AsgiClient(create_app(on, make_options(), stopping=asyncio.Event()))


def test_job_is_shown_with_every_field() -> None:
    answer = job_answer(JOB)
    assert answer.status == "failed"
    assert answer.state == "partial"
    assert answer.created_at == "2025-08-19T09:30:00.000Z"
    assert answer.updated_at == "2025-08-19T09:30:01.250Z"
    assert (answer.resource_total, answer.resource_completed, answer.resource_failed) == (3, 2, 1)
    cursor = answer.log_cursor
    assert (cursor.stream, cursor.partition, cursor.offset) == ("jobs.logs", 2, 1041)
    assert answer.last_error is not None
    assert answer.last_error.context == {"attempt": "3"}
    assert answer.dlq is not None
    assert (answer.dlq.stream, answer.dlq.partition, answer.dlq.offset) == ("jobs.dlq", 1, 7)


async def test_snapshot_has_the_promised_names(client: AsgiClient, ledger: SqliteLedger) -> None:
    await ledger.create_job(new_job(1))
    answer = await client.get("/operators/jobs/j-001")
    assert answer.status == 200
    assert answer.json == {
        "job_id": "j-001",
        "job_type": "default",
        "tenant": "acme",
        "status": "queued",
        "state": "queued",
        "created_at": "1970-01-01T00:00:00.001Z",
        "updated_at": "1970-01-01T00:00:00.001Z",
        "resource_total": 2,
        "resource_completed": 0,
        "resource_failed": 0,
        "manifest_key": "s3://b/1",
        "log_cursor": {"stream": "jobs.logs", "partition": 0, "offset": 0},
        "last_error": None,
        "dlq": None,
        "trace_id": "t",
        "origin": "api",
    }


@pytest.mark.parametrize("job_id", ["nope", "%00", "..%2e", "%ff", "x" * 2000])
async def test_unknown_job_is_404(client: AsgiClient, job_id: str) -> None:
    answer = await client.get(f"/operators/jobs/{job_id}")
    assert (answer.status, answer.json["error"]["code"]) == (404, "NOT_FOUND")


async def test_jobs_are_listed_newest_first_in_pages(
    client: AsgiClient, ledger: SqliteLedger
) -> None:
    for number in range(5):
        await ledger.create_job(new_job(number))
    pages, cursor = [], ""
    while True:
        answer = await client.get(f"/operators/jobs?limit=2{cursor}")
        pages.append([job["job_id"] for job in answer.json["jobs"]])
        if answer.json["next_cursor"] is None:
            break
        cursor = f"&cursor={answer.json['next_cursor']}"
    assert pages == [["j-004", "j-003"], ["j-002", "j-001"], ["j-000"]]


async def test_full_last_page_has_no_next(client: AsgiClient, ledger: SqliteLedger) -> None:
    await ledger.create_job(new_job(1))
    answer = await client.get("/operators/jobs?limit=1")
    assert len(answer.json["jobs"]) == 1
    assert answer.json["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["j-003", "j-002", "j-001"]),
        ("?tenant=zeta", ["j-002"]),
        ("?job_type=gallery", ["j-003"]),
        ("?status=failed", ["j-001"]),
        ("?status=queued&tenant=acme", ["j-003"]),
        ("?status=completed", []),
        ("?tenant=gr%C3%B6%C3%9Fe", []),
    ],
)
async def test_jobs_are_filtered(
    client: AsgiClient, ledger: SqliteLedger, query: str, expected: list[str]
) -> None:
    await ledger.create_job(new_job(1))
    await ledger.abort_job("j-001", LastError(code="X", message="x"), now_ms=9)
    await ledger.create_job(new_job(2, tenant="zeta"))
    await ledger.create_job(new_job(3, job_type="gallery"))
    answer = await client.get("/operators/jobs" + query)
    assert [job["job_id"] for job in answer.json["jobs"]] == expected


async def test_bad_queries_are_refused_and_name_the_field(client: AsgiClient) -> None:
    bad = {
        "/operators/jobs?limit=0": "limit",
        "/operators/jobs?limit=501": "limit",
        "/operators/jobs?limit=ten": "limit",
        "/operators/jobs?limit=": "limit",
        "/operators/jobs?status=partial": "status",
        "/operators/jobs?tenant=": "tenant",
        "/operators/jobs?limt=5": "limt",
        "/operators/ledger/failures?limit=0": "limit",
        "/operators/ledger/failures?x=1": "x",
        "/operators/ledger/export?x=1": "x",
    }
    for target, field in bad.items():
        answer = await client.get(target)
        assert (answer.status, answer.json["error"]["code"]) == (400, "INVALID_PAYLOAD"), target
        assert answer.json["error"]["details"] == {
            "reason": "VALIDATION_INVALID_FIELD",
            "field": field,
        }


@pytest.mark.parametrize("cursor", ["*", "a", "%ff", "_w", "%C3%A9"])
async def test_foreign_cursor_is_refused(client: AsgiClient, cursor: str) -> None:
    answer = await client.get(f"/operators/jobs?cursor={cursor}")
    assert (answer.status, answer.json["error"]["code"]) == (400, "INVALID_PAYLOAD")


async def test_failures_are_listed(client: AsgiClient, ledger: SqliteLedger) -> None:
    for number in (1, 2):
        await ledger.create_job(new_job(number))
    await ledger.abort_job("j-002", LastError(code="X", message="x"), now_ms=9)
    answer = await client.get("/operators/ledger/failures?limit=5")
    assert [job["job_id"] for job in answer.json["jobs"]] == ["j-002"]


async def test_prune_tells_how_many(ledger: SqliteLedger) -> None:
    async def prune() -> int:
        return 12

    client = over(ledger, prune=prune)
    assert (await client.post("/operators/ledger/prune")).json == {"pruned": 12}
    assert (await client.post("/operators/ledger/prune?days=1")).status == 400


async def test_export_is_one_document_a_line(client: AsgiClient, ledger: SqliteLedger) -> None:
    for number in range(3):
        await ledger.create_job(new_job(number))
    answer = await client.get("/operators/ledger/export")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    rows = [json.loads(line) for line in answer.body.splitlines()]
    assert [row["job_id"] for row in rows] == ["j-000", "j-001", "j-002"]


async def test_empty_export_is_empty(client: AsgiClient) -> None:
    answer = await client.get("/operators/ledger/export")
    assert (answer.status, answer.body) == (200, b"")


class LongLedger:
    """A ledger with much to export, that may break at the start."""

    def __init__(self, *, is_broken: bool) -> None:
        self.is_broken = is_broken

    async def export(self) -> AsyncIterator[Mapping[str, object]]:
        if self.is_broken:
            message = "cannot read"
            raise LedgerError(message)
        for number in range(3000):
            yield {"job_id": str(number), "text": "x" * 100}


async def test_long_export_is_complete() -> None:
    answer = await over(LongLedger(is_broken=False)).get("/operators/ledger/export")
    assert len(answer.body.splitlines()) == 3000


async def test_export_that_cannot_start_is_an_error_answer() -> None:
    answer = await over(LongLedger(is_broken=True)).get("/operators/ledger/export")
    assert (answer.status, answer.json["error"]["code"]) == (500, "INTERNAL_ERROR")
