"""Taking a submission over: the order of effects, and what each failure leaves behind (1.6)."""

import asyncio
import json
import re
from typing import Any

import pytest

from fetchbox.broker.port import BrokerUnavailableError
from fetchbox.broker.streams import partition_of
from fetchbox.handlers.default import DefaultManifestHandler
from fetchbox.handlers.port import (
    HandlerError,
    ManifestContext,
    PreparedManifest,
    TaskDraft,
    TaskEmitter,
)
from fetchbox.ledger.port import JobFilter, LedgerError
from fetchbox.model.failure import FailureCode, FetchBoxError, failure
from fetchbox.model.job import Job, JobState, Pointer
from fetchbox.storage.port import ObjectNotFoundError, StorageError
from fetchbox.wire.codec import decode_status
from tests.factories import NOW_MS, TRACE_ID, make_manifest, make_new_job, make_resource_entry
from tests.unit.intake.conftest import BUCKET, Desk

TRANSIENT = StorageError(failure(FailureCode.UPLOAD_THROTTLED, "slow down"))
REFUSED = StorageError(failure(FailureCode.UPLOAD_ACCESS_DENIED, "no"))
BROKER_DOWN = BrokerUnavailableError("no answer")
LEDGER_DOWN = LedgerError("disk full")
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def refused(desk: Desk, **submission: Any) -> FetchBoxError:
    with pytest.raises(FetchBoxError) as caught:
        await desk.submit(**submission)
    return caught.value


async def jobs_of(desk: Desk) -> list[Job]:
    return list(await desk.ledger.list_jobs(JobFilter(), limit=100, before=None))


def published(desk: Desk) -> int:
    return len(desk.broker.payloads("jobs.tasks"))


async def test_submission_becomes_a_job(desk: Desk) -> None:
    manifest = make_manifest(
        resources=[make_resource_entry(id="a"), make_resource_entry(id="b")],
        attributes={"tenant": "acme"},
    )
    body = json.dumps(manifest, indent=3).encode()

    receipt = await desk.submit(body)

    key = f"manifests/default/{receipt.job_id}/metadata.json"
    assert UUID7.fullmatch(receipt.job_id)
    assert receipt.manifest_key == f"s3://{BUCKET}/{key}"
    assert (receipt.resource_count, receipt.is_repeat) == (2, False)
    assert await desk.storage.get(BUCKET, key) == body
    assert desk.storage.options[0].content_type == "application/json"

    job = await desk.ledger.get(receipt.job_id)
    assert job is not None
    assert (job.state, job.resource_total, job.tenant) == (JobState.QUEUED, 2, "acme")
    assert (job.trace_id, job.created_at_ms, job.published_at_ms) == (TRACE_ID, NOW_MS, NOW_MS)
    assert job.manifest_key == receipt.manifest_key


async def test_effects_come_in_the_order_of_the_contract(desk: Desk) -> None:
    await desk.submit(idempotency_key="k")

    calls = [call for call in desk.journal.calls if not call.startswith("describe")]
    assert calls == ["find", "put", "create", "publish jobs.status", "publish jobs.tasks", "mark"]


async def test_queued_status_tells_what_the_ledger_knows(desk: Desk) -> None:
    receipt = await desk.submit(tenant="acme")

    (event,) = map(decode_status, desk.broker.payloads("jobs.status"))
    assert (event.job_id, event.job_type, event.tenant) == (receipt.job_id, "default", "acme")
    assert (event.state, event.source) == (JobState.QUEUED, "api")
    assert (event.resources_total, event.resources_completed) == (1, 0)
    assert (event.manifest_key, event.timestamp_ms) == (receipt.manifest_key, NOW_MS)


async def test_all_tasks_of_a_job_go_in_one_batch_to_one_partition(desk: Desk) -> None:
    entries = [make_resource_entry(id=str(number)) for number in range(50)]

    receipt = await desk.submit(json.dumps(make_manifest(resources=entries)).encode())

    assert desk.journal.calls.count("publish jobs.tasks") == 1
    partition = desk.broker.log.topics["jobs.tasks"][partition_of(receipt.job_id, 8)]
    assert len(partition) == 50
    assert [task.resource_id for task in desk.tasks()] == [str(number) for number in range(50)]


async def test_log_cursor_points_to_where_the_first_log_will_be(desk: Desk) -> None:
    for key in map(str, range(20)):
        await desk.broker.publish("jobs.logs", key, [b"earlier"])

    receipt = await desk.submit()

    job = await desk.ledger.get(receipt.job_id)
    partition = partition_of(receipt.job_id, 4)
    length = len(desk.broker.log.topics["jobs.logs"][partition])
    assert job is not None
    assert job.log_cursor == Pointer(partition=partition, offset=length)


async def test_log_cursor_is_not_worth_a_failure(desk: Desk) -> None:
    desk.journal.fail_next("describe jobs.logs", BROKER_DOWN)

    receipt = await desk.submit()

    job = await desk.ledger.get(receipt.job_id)
    assert job is not None
    assert job.log_cursor == Pointer(partition=partition_of(receipt.job_id, 4), offset=0)


async def test_unknown_job_type_comes_before_the_body(desk: Desk) -> None:
    error = await refused(desk, body=b"no json", job_type="unknown")
    assert error.failure.code is FailureCode.VALIDATION_UNSUPPORTED_JOB_TYPE


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}"])
async def test_bad_manifest_leaves_nothing(desk: Desk, body: bytes) -> None:
    error = await refused(desk, body=body, idempotency_key="k")

    assert error.failure.code.startswith("VALIDATION_")
    assert error.job_id is None
    assert desk.journal.calls == []


async def test_long_tenant_is_refused(desk: Desk) -> None:
    body = json.dumps(make_manifest(attributes={"tenant": "x" * 256})).encode()

    error = await refused(desk, body=body)

    assert error.failure.code is FailureCode.VALIDATION_INVALID_ATTRIBUTES
    assert error.failure.context["field"] == "attributes.tenant"


# Storage.


@pytest.mark.parametrize(
    ("fault", "code", "tries"),
    [
        pytest.param(TRANSIENT, "STORAGE_UNAVAILABLE", 3, id="transient"),
        pytest.param(REFUSED, "STORAGE_ERROR", 1, id="permanent"),
    ],
)
async def test_storage_failure_leaves_nothing(
    desk: Desk, fault: StorageError, code: str, tries: int
) -> None:
    desk.journal.fail_next("put", *[fault] * 3)

    error = await refused(desk)

    assert error.failure.code == code
    assert error.job_id is None
    assert desk.journal.calls.count("put") == tries
    assert await jobs_of(desk) == []
    assert published(desk) == 0


@pytest.mark.parametrize("name", ["put", "publish jobs.status", "publish jobs.tasks"])
async def test_passing_failure_is_tried_again(desk: Desk, name: str) -> None:
    desk.journal.fail_next(name, *[TRANSIENT if name == "put" else BROKER_DOWN] * 2)

    receipt = await desk.submit()

    assert receipt.resource_count == 1
    assert desk.journal.calls.count(name) == 3
    assert published(desk) == 1


# The ledger.


async def test_manifest_is_removed_when_the_job_cannot_be_created(desk: Desk) -> None:
    desk.journal.fail_next("create", LEDGER_DOWN)

    error = await refused(desk)

    assert error.failure.code is FailureCode.SYSTEM_INTERNAL
    (options,) = desk.storage.options
    with pytest.raises(ObjectNotFoundError):
        await desk.storage.get(options.bucket, options.key)
    assert published(desk) == 0


async def test_manifest_left_behind_is_logged_and_the_first_failure_stands(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.journal.fail_next("create", LEDGER_DOWN)
    desk.journal.fail_next("delete", REFUSED)

    error = await refused(desk)

    assert error is LEDGER_DOWN
    assert "manifest left behind" in caplog.messages


async def test_ledger_failure_while_looking_a_key_up_leaves_nothing(desk: Desk) -> None:
    desk.journal.fail_next("find", LEDGER_DOWN)

    assert await refused(desk, idempotency_key="k") is LEDGER_DOWN
    assert desk.journal.calls == ["find"]


async def test_job_that_cannot_be_marked_is_named_in_the_error(desk: Desk) -> None:
    desk.journal.fail_next("mark", LedgerError("disk full"))

    error = await refused(desk)

    (job,) = await jobs_of(desk)
    assert (error.job_id, job.published_at_ms) == (job.job_id, None)
    assert published(desk) == 1


# Handlers.


class Refuses(DefaultManifestHandler):
    async def prepare_manifest(self, context: ManifestContext) -> PreparedManifest:
        del context
        raise HandlerError(FailureCode.HANDLER_INVALID_MANIFEST, "no album")


class Crashes(DefaultManifestHandler):
    async def prepare_manifest(self, context: ManifestContext) -> PreparedManifest:
        del context
        raise ZeroDivisionError("secret detail")


class CrashesLater(DefaultManifestHandler):
    async def build_tasks(
        self, prepared: PreparedManifest, emit: TaskEmitter
    ) -> list[TaskDraft] | None:
        await emit(TaskDraft(resource_id="1", url=prepared.context.resources[0].url))
        raise ZeroDivisionError("secret detail")


class Makes(DefaultManifestHandler):
    def __init__(self, *drafts: object) -> None:
        self.drafts = drafts

    async def build_tasks(self, prepared: PreparedManifest, emit: TaskEmitter) -> Any:
        del prepared, emit
        return self.drafts


@pytest.mark.parametrize(
    ("handler", "code", "says"),
    [
        pytest.param(Refuses(), "HANDLER_INVALID_MANIFEST", "no album", id="refuses"),
        pytest.param(Crashes(), "HANDLER_FATAL", "ZeroDivisionError", id="crashes"),
        pytest.param(CrashesLater(), "HANDLER_TASK_GENERATION", "ZeroDivision", id="later"),
        pytest.param(Makes(), "HANDLER_TASK_GENERATION", "made no task", id="no-task"),
        pytest.param(Makes(7), "HANDLER_TASK_GENERATION", "raised", id="no-drafts"),
        pytest.param(
            Makes(*[TaskDraft(resource_id="1", url="u")] * 2),
            "HANDLER_TASK_GENERATION",
            "used twice",
            id="same-id-twice",
        ),
        pytest.param(
            Makes(TaskDraft(resource_id="../1", url="u")),
            "HANDLER_TASK_GENERATION",
            "path segment",
            id="bad-id",
        ),
        pytest.param(
            Makes(TaskDraft(resource_id="1", url="u", attributes={"x": object()})),
            "HANDLER_TASK_GENERATION",
            "raised",
            id="attributes-are-no-json",
        ),
    ],
)
async def test_handler_failure_fails_the_job(
    desk: Desk, handler: DefaultManifestHandler, code: str, says: str
) -> None:
    desk.serve(handler)

    error = await refused(desk, job_type="own")

    (job,) = await jobs_of(desk)
    assert error.failure.code == code
    assert says in error.failure.message
    assert "secret" not in error.failure.message
    assert error.job_id == job.job_id
    assert (job.state, job.last_error and job.last_error.code) == (JobState.FAILED, code)
    assert published(desk) == 0
    assert desk.broker.payloads("jobs.status") == []


async def test_handler_may_make_more_tasks_than_there_are_resources(desk: Desk) -> None:
    desk.serve(Makes(*[TaskDraft(resource_id=str(n), url="http://h/") for n in range(3)]))

    receipt = await desk.submit(job_type="own")

    job = await desk.ledger.get(receipt.job_id)
    assert receipt.resource_count == 1
    assert job is not None
    assert job.resource_total == 3


# The broker.


@pytest.mark.parametrize("topic", ["jobs.status", "jobs.tasks"])
async def test_broker_failure_fails_the_job(desk: Desk, topic: str) -> None:
    desk.journal.fail_next(f"publish {topic}", *[BROKER_DOWN] * 3)

    error = await refused(desk)

    (job,) = await jobs_of(desk)
    assert error.failure.code is FailureCode.SYSTEM_QUEUE_UNAVAILABLE
    assert error.failure.context["topic"] == topic
    assert error.job_id == job.job_id
    assert job.state is JobState.FAILED
    assert job.last_error is not None
    assert job.last_error.code == "SYSTEM_QUEUE_UNAVAILABLE"
    assert desk.journal.calls.count(f"publish {topic}") == 3
    assert published(desk) == 0


async def test_first_failure_stands_when_the_job_cannot_be_failed_either(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.journal.fail_next("publish jobs.tasks", *[BROKER_DOWN] * 3)
    desk.journal.fail_next("abort", LEDGER_DOWN)

    error = await refused(desk)

    assert error.failure.code is FailureCode.SYSTEM_QUEUE_UNAVAILABLE
    assert "job could not be marked as failed" in caplog.messages


# Interruptions: the handling timeout, or a service that stops.


@pytest.mark.parametrize("call", ["create", "publish jobs.status", "publish jobs.tasks"])
async def test_interrupted_job_is_failed(desk: Desk, call: str) -> None:
    reached = asyncio.Event()

    async def hang() -> None:
        reached.set()
        await asyncio.Event().wait()

    desk.journal.before[call] = hang
    async with asyncio.TaskGroup() as group:
        task = group.create_task(desk.submit(idempotency_key="k"))
        await reached.wait()
        task.cancel()

    assert all(job.state is JobState.FAILED for job in await jobs_of(desk))
    desk.journal.before.clear()
    again = await desk.submit(idempotency_key="k")
    assert not again.is_repeat


async def test_job_created_in_the_moment_of_the_interruption_is_failed(desk: Desk) -> None:
    """The row may be written although nobody waits for it any more."""
    create = desk.ledger.create_job
    reached = asyncio.Event()

    async def created_late() -> None:
        del desk.journal.before["create"]
        (options,) = desk.storage.options
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            await create(make_new_job(job_id=options.key.split("/")[2]))

    desk.journal.before["create"] = created_late
    async with asyncio.TaskGroup() as group:
        task = group.create_task(desk.submit())
        await reached.wait()
        task.cancel()

    (job,) = await jobs_of(desk)
    assert job.state is JobState.FAILED
    assert job.last_error is not None
    assert "submit it again" in job.last_error.message
