"""One key, one job (contract 1.9)."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from fetchbox.broker.port import BrokerUnavailableError
from fetchbox.ledger.port import IdempotencyKey, JobFilter, LedgerError, Retention
from fetchbox.model.failure import FetchBoxError
from fetchbox.model.job import JobState
from fetchbox.model.outcome import Outcome
from tests.factories import make_manifest, make_new_job, make_resource_entry, make_status
from tests.unit.intake.conftest import DAY_MS, Desk

TWO = [make_resource_entry(id="a"), make_resource_entry(id="b")]


async def count_jobs(desk: Desk) -> int:
    return len(await desk.ledger.list_jobs(JobFilter(), limit=100, before=None))


async def report(desk: Desk, job_id: str, states: str) -> None:
    """Let a worker report the resources a, b as completed (c) or failed (f, for good: F)."""
    outcomes = tuple(
        Outcome(
            resource_id="ab"[at],
            state=JobState.COMPLETED if state == "c" else JobState.FAILED,
            retryable=state == "f",
        )
        for at, state in enumerate(states)
    )
    event = make_status(job_id=job_id, outcomes=outcomes)
    if outcomes:
        await desk.ledger.apply(0, [(0, event)], now_ms=desk.now_ms)


async def test_repeat_is_answered_without_any_effect(desk: Desk) -> None:
    first = await desk.submit(idempotency_key="k")
    desk.journal.calls.clear()

    second = await desk.submit(idempotency_key="k")

    assert second.is_repeat
    assert (second.job_id, second.manifest_key) == (first.job_id, first.manifest_key)
    assert second.resource_count == first.resource_count
    assert desk.journal.calls == ["find"]


@pytest.mark.parametrize(
    ("states", "expected", "is_repeat"),
    [
        pytest.param("", "queued", True, id="queued"),
        pytest.param("c", "in_progress", True, id="in-progress"),
        pytest.param("cc", "completed", True, id="completed"),
        pytest.param("cf", "partial", True, id="partial"),
        pytest.param("cF", "failed", False, id="failed"),
        pytest.param("ff", "failed", False, id="all-failed"),
    ],
)
async def test_key_is_re_bound_only_when_the_job_failed(
    desk: Desk,
    states: str,
    expected: str,
    is_repeat: bool,  # noqa: FBT001  # a column
) -> None:
    body = json.dumps(make_manifest(resources=TWO)).encode()
    first = await desk.submit(body, idempotency_key="k")
    await report(desk, first.job_id, states)
    job = await desk.ledger.get(first.job_id)
    assert job is not None
    assert job.state == expected

    second = await desk.submit(body, idempotency_key="k")

    assert second.is_repeat is is_repeat
    assert (second.job_id == first.job_id) is is_repeat
    third = await desk.submit(body, idempotency_key="k")
    assert third.job_id == second.job_id


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"idempotency_key": "other"}, id="key"),
        pytest.param({"tenant": "other"}, id="tenant"),
        pytest.param({"job_type": "gallery"}, id="job-type"),
    ],
)
async def test_key_counts_per_tenant_and_job_type(desk: Desk, other: dict[str, Any]) -> None:
    first = await desk.submit(idempotency_key="k", tenant="acme")
    second = await desk.submit(**{"idempotency_key": "k", "tenant": "acme", **other})
    assert first.job_id != second.job_id


async def test_resolved_tenant_is_the_scope(desk: Desk) -> None:
    """The header and the attribute name the same tenant."""
    first = await desk.submit(idempotency_key="k", tenant="acme")
    body = json.dumps(make_manifest(attributes={"tenant": "acme"})).encode()
    assert (await desk.submit(body, idempotency_key="k")).job_id == first.job_id


@pytest.mark.parametrize("key", [None, ""])
async def test_without_a_key_every_submission_is_a_job(desk: Desk, key: str | None) -> None:
    first = await desk.submit(idempotency_key=key)
    second = await desk.submit(idempotency_key=key)
    assert first.job_id != second.job_id


async def test_other_body_is_a_hit_with_a_warning(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    first = await desk.submit(idempotency_key="k")
    assert caplog.messages == []

    second = await desk.submit(
        json.dumps(make_manifest(resources=TWO)).encode(), idempotency_key="k"
    )

    assert (second.job_id, second.resource_count) == (first.job_id, 1)
    assert caplog.messages == ["idempotency key repeated with another body"]


@pytest.mark.parametrize(
    ("later_ms", "is_repeat"),
    [
        pytest.param(14 * DAY_MS - 1, True, id="just-within"),
        pytest.param(14 * DAY_MS, False, id="over"),
    ],
)
async def test_key_lives_for_its_window(
    desk: Desk,
    later_ms: int,
    is_repeat: bool,  # noqa: FBT001  # a column
) -> None:
    await desk.submit(idempotency_key="k")
    desk.now_ms += later_ms
    assert (await desk.submit(idempotency_key="k")).is_repeat is is_repeat


async def test_concurrent_submissions_of_one_key_make_one_job(desk: Desk) -> None:
    receipts = await asyncio.gather(*[desk.submit(idempotency_key="k") for _ in range(20)])

    assert len({receipt.job_id for receipt in receipts}) == 1
    assert sum(not receipt.is_repeat for receipt in receipts) == 1
    assert await count_jobs(desk) == 1
    assert len(desk.broker.payloads("jobs.tasks")) == 1
    assert desk.journal.calls.count("put") == 1


async def test_waiting_submission_makes_the_job_when_the_first_one_fails(desk: Desk) -> None:
    desk.journal.fail_next("publish jobs.tasks", *[BrokerUnavailableError("down")] * 3)

    results = await asyncio.gather(
        *[desk.submit(idempotency_key="k") for _ in range(3)], return_exceptions=True
    )

    failed, *made = results
    assert isinstance(failed, FetchBoxError)
    assert len({receipt.job_id for receipt in made if not isinstance(receipt, BaseException)}) == 1
    assert len(desk.broker.payloads("jobs.tasks")) == 1


async def test_unfinished_row_of_a_crash_is_no_hit(desk: Desk) -> None:
    key = IdempotencyKey(tenant="default", job_type="default", key="k")
    await desk.ledger.create_job(make_new_job(idempotency=key))

    receipt = await desk.submit(idempotency_key="k")

    assert not receipt.is_repeat
    assert (await desk.submit(idempotency_key="k")).job_id == receipt.job_id


async def test_pruned_job_behind_a_live_key_is_no_hit(desk: Desk) -> None:
    first = await desk.submit(idempotency_key="k")
    await report(desk, first.job_id, "c")
    desk.now_ms += 3 * DAY_MS
    retention = Retention(
        job_ttl_ms=DAY_MS, idempotency_ttl_ms=14 * DAY_MS, max_bytes=1_000_000_000
    )
    assert await desk.ledger.prune(retention, now_ms=desk.now_ms) == 1

    second = await desk.submit(idempotency_key="k")

    assert not second.is_repeat


@pytest.mark.parametrize(
    "fail",
    [
        pytest.param(lambda desk: desk.journal.fail_next("create", LedgerError("x")), id="ledger"),
        pytest.param(
            lambda desk: desk.journal.fail_next(
                "publish jobs.status", *[BrokerUnavailableError("x")] * 3
            ),
            id="broker",
        ),
    ],
)
async def test_key_is_free_again_after_a_failure(desk: Desk, fail: Callable[[Desk], None]) -> None:
    fail(desk)
    with pytest.raises(FetchBoxError):
        await desk.submit(idempotency_key="k")

    assert not (await desk.submit(idempotency_key="k")).is_repeat
