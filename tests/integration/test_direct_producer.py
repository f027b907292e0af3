"""IT-14: a DownloadTask published straight to the broker is handled like any other."""

import uuid

from fetchbox.wire import jobs_pb2 as pb
from runner.waiting import wait_until
from tests.common.context import SubmittedJob, TestContext
from tests.common.topics import outcomes


def task_of(context: TestContext, name: str, **more: object) -> pb.DownloadTask:
    return pb.DownloadTask(
        job_id=str(uuid.uuid4()),
        job_type="it",
        resource_id=name,
        url=context.serve(name),
        attempt=1,
        tenant=context.tenant,
        trace_id=uuid.uuid4().hex,
        **more,  # type: ignore[arg-type]  # the test's own fields
    )


def job_of(task: pb.DownloadTask) -> SubmittedJob:
    return SubmittedJob(
        job_id=task.job_id,
        job_type=task.job_type,
        manifest_key="",
        resource_count=1,
        urls={task.resource_id: task.url},
    )


def wait_until_known(context: TestContext, job_id: str) -> None:
    """Nobody knows a direct job before its first event."""
    wait_until(lambda: context.get(f"/jobs/{job_id}").ok, 15, f"direct job {job_id} to be known")


def test_a_task_without_a_manifest_is_carried_out(context: TestContext) -> None:
    task = task_of(context, "direct")
    job = job_of(task)
    context.iggy_client.publish_task(task)
    wait_until_known(context, task.job_id)
    shown = context.wait_for_job(task.job_id)
    context.adopt(job)

    assert shown["origin"] == "direct"
    assert (shown["resource_total"], shown["resource_completed"]) == (1, 1)
    assert shown["manifest_key"] == ""
    assert shown["tenant"] == context.tenant
    assert context.object(job.key("direct")).body == context.served[task.url]
    (line,) = context.completions(task.job_id)
    assert line["trace_id"] == task.trace_id


def test_a_repeated_delivery_changes_nothing(context: TestContext) -> None:
    """At least once: the same task again overwrites its own object and is not counted twice."""
    job = context.submit_manifest(
        {
            "manifest_version": "v1",
            "metadata": {},
            "resources": [{"id": n, "url": context.serve(n)} for n in ("a", "b")],
        }
    )
    before = context.wait_for_job(job.job_id)
    repeat = pb.DownloadTask(
        job_id=job.job_id,
        job_type="it",
        resource_id="a",
        url=job.urls["a"],
        attempt=1,
        tenant=context.tenant,
        manifest_key=job.manifest_key,
    )
    context.iggy_client.publish_task(repeat)
    wait_until(
        lambda: sum(o.resource_id == "a" for o in outcomes(context.iggy_client, job.job_id)) == 2,
        10,
        "the repeat to be reported",
    )
    wait_until(lambda: len(context.completions(job.job_id)) == 3, 5, "the repeat to be logged")
    shown = context.snapshot(job.job_id)

    assert len(context.requests_for("a")) == 2
    counted = ("resource_total", "resource_completed", "resource_failed", "status")
    assert [shown[name] for name in counted] == [before[name] for name in counted]


def test_hints_of_a_direct_task_are_followed(context: TestContext) -> None:
    task = task_of(
        context,
        "hinted",
        storage_hint=pb.StorageHint(
            key=f"resources/it/{context.case}/exactly-here", metadata={"content-type": "text/x"}
        ),
    )
    context.iggy_client.publish_task(task)
    wait_until_known(context, task.job_id)
    context.wait_for_job(task.job_id)

    stored = context.object(f"resources/it/{context.case}/exactly-here")
    assert stored.body == context.served[task.url]
    assert stored.content_type == "text/x"


def test_a_task_no_worker_may_carry_out_is_dead_lettered_at_once(context: TestContext) -> None:
    task = task_of(context, "forbidden")
    task.url = "http://169.254.169.254/latest/meta-data/"
    context.iggy_client.publish_task(task)
    wait_until_known(context, task.job_id)
    shown = context.wait_for_job(task.job_id, "failed")

    assert shown["last_error"]["code"] == "DOWNLOAD_INVALID_URL"
    (entry,) = context.get("/dlq", job_id=task.job_id).json()["entries"]
    assert entry["code"] == "DOWNLOAD_INVALID_URL"
    assert entry["attempts"] == 1
