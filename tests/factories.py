"""Values for tests: each function names only what a test is about and fills in the rest."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fetchbox.handlers.port import HandlerConfig, ManifestContext
from fetchbox.ledger.port import NewJob
from fetchbox.model.failure import Failure, FailureCode, failure
from fetchbox.model.job import JobState, Pointer
from fetchbox.model.manifest import Resource
from fetchbox.model.outcome import DeadLetter, LogEvent, LogLevel, Outcome, StatusEvent
from fetchbox.model.proxies import Endpoint, ProxyPool
from fetchbox.model.task import DownloadTask

JOB_ID = "0198c1c5-3c1e-7d0a-9f6b-2f6f3b1c9a10"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
NOW_MS = 1_755_595_800_000


def make_task(**matters: Any) -> DownloadTask:
    task = DownloadTask(
        job_id=JOB_ID,
        job_type="default",
        resource_id="r1",
        url="http://origin.test/r1",
        tenant="acme",
        trace_id=TRACE_ID,
    )
    return replace(task, **matters)


def make_resource_entry(**matters: Any) -> dict[str, Any]:
    """One entry of `resources`, as decoded JSON."""
    return {"id": "r1", "url": "http://origin.test/r1", **matters}


def make_manifest(**matters: Any) -> dict[str, Any]:
    """A manifest as decoded JSON; Ellipsis leaves a field out."""
    manifest = {
        "manifest_version": "v1",
        "metadata": {"source": "test"},
        "resources": [make_resource_entry()],
        **matters,
    }
    return {name: value for name, value in manifest.items() if value is not ...}


def make_resource(**matters: Any) -> Resource:
    resource = Resource(id="r1", url="http://origin.test/r1", headers={}, tags={})
    return replace(resource, **matters)


def make_context(*resources: Resource, **matters: Any) -> ManifestContext:
    context = ManifestContext(
        job_id=JOB_ID,
        job_type="default",
        manifest_version="v1",
        metadata={},
        resources=resources or (make_resource(),),
        attributes={},
        config=HandlerConfig(),
    )
    return replace(context, **matters)


def make_new_job(**matters: Any) -> NewJob:
    job = NewJob(
        job_id=JOB_ID,
        job_type="default",
        tenant="acme",
        manifest_key=f"s3://fetchbox-default/manifests/default/{JOB_ID}/metadata.json",
        manifest_sha256="0" * 64,
        resource_count=1,
        log_cursor=Pointer(partition=0, offset=0),
        trace_id=TRACE_ID,
        created_at_ms=NOW_MS,
    )
    return replace(job, **matters)


def make_outcome(**matters: Any) -> Outcome:
    outcome = Outcome(resource_id="r1", state=JobState.COMPLETED, storage_key="resources/r1")
    return replace(outcome, **matters)


def make_status(**matters: Any) -> StatusEvent:
    event = StatusEvent(
        job_id=JOB_ID, job_type="default", state=JobState.IN_PROGRESS, source="worker:w1"
    )
    return replace(event, **matters)


def make_log(**matters: Any) -> LogEvent:
    event = LogEvent(job_id=JOB_ID, resource_id="r1", level=LogLevel.INFO, message="stored")
    return replace(event, **matters)


def make_dead_letter(**matters: Any) -> DeadLetter:
    letter = DeadLetter(
        task=make_task(),
        failure_code=FailureCode.DOWNLOAD_HTTP_4XX,
        failure_message="origin answered 404",
        attempts=1,
        failed_at_ms=NOW_MS,
    )
    return replace(letter, **matters)


def make_failure(code: str = "DOWNLOAD_TIMEOUT", **context: object) -> Failure:
    """A failure whose `retryable` follows its code."""
    return failure(FailureCode(code), f"made for a test: {code}", **context)


def make_pool(name: str, *uris: str, **matters: Any) -> ProxyPool:
    """A pool; without URIs it has the one endpoint `http://NAME:3128`."""
    return ProxyPool(name=name, primary=uris or (f"http://{name}:3128",), **matters)


def make_pools(*pools: ProxyPool) -> Mapping[str, ProxyPool]:
    return {pool.name: pool for pool in pools}


def make_endpoint(pool: str = "p", number: int = 1, **matters: Any) -> Endpoint:
    endpoint = Endpoint(
        pool=pool,
        number=number,
        uri=f"http://{pool}-{number}:3128",
        retry_backoff_ms=500,
        max_retries=3,
    )
    return replace(endpoint, **matters)
