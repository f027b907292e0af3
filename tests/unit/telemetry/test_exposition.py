import logging
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fetchbox.telemetry.exposition import exposition_app
from fetchbox.telemetry.metrics import Metrics
from tests.fakes.asgi import AsgiClient


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def broken() -> bool:
    raise ZeroDivisionError


async def test_metrics_are_exposed_in_the_text_format() -> None:
    metrics = Metrics()
    metrics.ingest_jobs.labels("accepted", "default").inc(3)
    answer = await AsgiClient(exposition_app(metrics, yes)).get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert int(answer.headers["content-length"]) == len(answer.body)
    text = answer.body.decode()
    assert 'fetchbox_ingest_jobs_total{job_type="default",result="accepted"} 3.0' in text
    assert "_created" not in text
    assert list(text_string_to_metric_families(text))


@pytest.mark.parametrize("is_ready", [yes, no])
async def test_live_answers_whatever_the_dependencies_do(is_ready: Any) -> None:
    answer = await AsgiClient(exposition_app(Metrics(), is_ready)).get("/health/live")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize(("is_ready", "status"), [(yes, 200), (no, 503), (broken, 503)])
async def test_ready_tells_what_the_probe_says(is_ready: Any, status: int) -> None:
    answer = await AsgiClient(exposition_app(Metrics(), is_ready)).get("/health/ready")
    assert answer.status == status
    assert (answer.json["status"] == "ok") == (status == 200)


async def test_a_broken_probe_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        await AsgiClient(exposition_app(Metrics(), broken)).get("/health/ready")
    assert "readiness probe failed" in caplog.messages


async def test_other_paths_and_methods_are_refused() -> None:
    client = AsgiClient(exposition_app(Metrics(), yes))
    assert (await client.get("/")).status == 404
    assert (await client.get("/metrics/")).status == 404
    assert (await client.post("/metrics")).status == 405


async def test_head_sends_no_body() -> None:
    answer = await AsgiClient(exposition_app(Metrics(), yes)).send("HEAD", "/metrics")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


async def test_the_server_may_start_and_stop_it() -> None:
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return next(events)

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    await exposition_app(Metrics(), yes)({"type": "lifespan"}, receive, send)
    assert [event["type"] for event in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
