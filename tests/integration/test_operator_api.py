"""What operators see: jobs, filters, pages, health, metrics."""

from typing import Any

import pytest

from tests.common.context import TestContext
from tests.common.manifests import manifest, resource
from tests.common.metrics import scrape
from tests.common.wiremock import Reply


def listed(context: TestContext, **query: str | int) -> list[str]:
    answer = context.get("/jobs", tenant=context.tenant, **query)
    assert answer.ok, answer.text
    return [job["job_id"] for job in answer.json()["jobs"]]


def some_jobs(context: TestContext, count: int) -> list[str]:
    """Submit jobs of one resource and return their ids, newest first."""
    url = context.serve("a")
    jobs = [context.submit_manifest(manifest(resource("a", url))) for _ in range(count)]
    for job in jobs:
        context.wait_for_job(job.job_id)
    return [job.job_id for job in reversed(jobs)]


def test_jobs_are_listed_newest_first(context: TestContext) -> None:
    assert some_jobs(context, 3) == listed(context)


def test_jobs_are_filtered(context: TestContext) -> None:
    good, _ = context.run({"a": context.serve("a")})
    bad, _ = context.run({"a": context.answer("b", Reply(status=404))}, status="failed")
    other, _ = context.run({"a": context.serve("c")}, job_type="it_custom")

    assert listed(context, status="completed") == [other.job_id, good.job_id]
    assert listed(context, status="failed") == [bad.job_id]
    assert listed(context, status="queued") == []
    assert listed(context, job_type="it_custom") == [other.job_id]
    assert listed(context, job_type="it_custom", status="failed") == []


def test_pages_follow_each_other(context: TestContext) -> None:
    wanted = some_jobs(context, 5)
    pages: list[list[str]] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = context.get("/jobs", tenant=context.tenant, **query).json()
        pages.append([job["job_id"] for job in page["jobs"]])
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert pages == [wanted[:2], wanted[2:4], wanted[4:]]


def test_a_listed_job_is_its_snapshot(context: TestContext) -> None:
    (job_id,) = some_jobs(context, 1)
    (shown,) = context.get("/jobs", tenant=context.tenant).json()["jobs"]
    assert shown == context.snapshot(job_id)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 501},
        {"limit": "many"},
        {"status": "sleeping"},
        {"cursor": "!"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_wrong_query_is_refused(context: TestContext, query: dict[str, Any]) -> None:
    answer = context.get("/jobs", **query)

    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["reason"] == "VALIDATION_INVALID_FIELD"


def test_health_names_every_component(context: TestContext) -> None:
    answer = context.get("/health")
    shown = answer.json()

    assert answer.status_code == 200
    assert shown["status"] == "ok"
    assert shown["version"]
    components = shown["components"]
    assert set(components) >= {"api", "ledger", "broker", "storage", "proxy_pools"}
    critical = {name: components[name]["status"] for name in ("api", "ledger", "broker", "storage")}
    assert set(critical.values()) == {"ok"}, components
    provider = "iggy" if context.stack.addresses.is_iggy else "sqlite"
    assert provider in components["broker"]["detail"]


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_open_health_answers_without_a_token(context: TestContext, path: str) -> None:
    answer = context.stack.http.get(context.api_addr + path, timeout=5)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_workers_answer_on_their_metrics_port(context: TestContext, path: str) -> None:
    for url in context.stack.addresses.worker_metrics:
        answer = context.stack.http.get(url.removesuffix("/metrics") + path, timeout=5)
        assert answer.status_code == 200, (url, answer.text)


# Metrics.

API_METRICS = {
    "fetchbox_api_requests_total",
    "fetchbox_ingest_jobs_total",
    "fetchbox_ingest_bytes_total",
    "fetchbox_ingest_duration_seconds_count",
    "fetchbox_operator_requests_total",
    "fetchbox_ledger_jobs",
    "fetchbox_ledger_size_bytes",
    "fetchbox_ledger_pruned_jobs_total",
    "service_ready",
}
WORKER_METRICS = {
    "fetchbox_worker_tasks_inflight",
    "fetchbox_worker_download_latency_seconds_count",
    "service_ready",
}


def test_the_api_exposes_its_metrics(context: TestContext) -> None:
    some_jobs(context, 1)
    names = {s.name for url in context.stack.addresses.api_metrics for s in scrape(url)}
    assert names >= API_METRICS, API_METRICS - names


def test_every_worker_exposes_its_metrics(context: TestContext) -> None:
    for url in context.stack.addresses.worker_metrics:
        names = {sample.name for sample in scrape(url)}
        assert names >= WORKER_METRICS, WORKER_METRICS - names


def test_readiness_is_a_metric(context: TestContext) -> None:
    assert context.stack.apis.value("service_ready", service="api") == 1
    workers = len(context.stack.addresses.worker_metrics)
    assert context.stack.workers.value("service_ready", service="worker") == workers


def test_jobs_and_tasks_are_counted(context: TestContext) -> None:
    """`it_counted` is this test's own."""
    tasks = ("fetchbox_worker_tasks_total", "fetchbox_worker_download_bytes_total")

    def counted() -> dict[str, float]:
        workers, apis = context.stack.workers, context.stack.apis
        return {
            "accepted": apis.value(
                "fetchbox_ingest_jobs_total", result="accepted", job_type="it_counted"
            ),
            "completed": workers.value(tasks[0], result="completed", job_type="it_counted"),
            "bytes": workers.value(tasks[1], job_type="it_counted"),
        }

    before = counted()
    context.run(
        {"a": context.serve("a", b"12345"), "b": context.serve("b", b"1")}, job_type="it_counted"
    )
    after = counted()

    assert {name: after[name] - before[name] for name in before} == {
        "accepted": 1,
        "completed": 2,
        "bytes": 6,
    }


def test_failures_are_counted_by_code(context: TestContext) -> None:
    """`it_counted_failures` is this test's own."""
    name = "fetchbox_worker_download_failures_total"
    labels = {"code": "DOWNLOAD_HTTP_5XX", "job_type": "it_counted_failures"}
    before = context.stack.workers.value(name, **labels)
    url = context.answer("a", Reply(status=500))
    context.run({"a": url}, job_type="it_counted_failures", status="failed")

    assert context.stack.workers.value(name, **labels) - before == 3
