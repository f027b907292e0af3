"""Health and readiness (contract 2.5, 2.6)."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fetchbox.api.app import ApiServices, Probe, create_app
from fetchbox.api.health import Health
from fetchbox.ledger.port import LedgerError
from fetchbox.telemetry.metrics import Metrics
from tests.fakes.api import make_options
from tests.fakes.asgi import AsgiClient


def up(detail: str | None = None) -> Probe:
    async def probe() -> str | None:
        return detail

    return probe


def down(error: Exception) -> Probe:
    async def probe() -> str | None:
        raise error

    return probe


async def hang() -> str | None:
    await asyncio.Event().wait()
    return None


ALL_UP: dict[str, Probe] = {
    "ledger": up(),
    "broker": up("sqlite"),
    "storage": up("local"),
    "proxy_pools": up("2 pools"),
}


def make_health(probes: Mapping[str, Probe], **changes: Any) -> Health:
    return Health(
        probes=probes,
        clock=changes.pop("clock", lambda: 0),
        metrics=changes.pop("metrics", Metrics()),
        version="1.2.3",
        stopping=changes.pop("stopping", asyncio.Event()),
        **changes,
    )


def ready(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("service_ready", {"service": "api"})


async def test_all_up_is_ok() -> None:
    metrics = Metrics()
    answer = await make_health(ALL_UP, metrics=metrics).check()
    assert answer.status == "ok"
    assert answer.version == "1.2.3"
    assert list(answer.components) == ["api", "ledger", "broker", "storage", "proxy_pools"]
    assert answer.components["broker"].detail == "sqlite"
    assert ready(metrics) == 1


@pytest.mark.parametrize("name", ["ledger", "broker", "storage"])
async def test_critical_component_that_is_down_degrades(name: str) -> None:
    metrics = Metrics()
    probes = ALL_UP | {name: down(LedgerError("cannot write"))}
    answer = await make_health(probes, metrics=metrics).check()
    assert answer.status == "degraded"
    assert answer.components[name].status == "degraded"
    assert answer.components[name].detail == "cannot write"
    assert ready(metrics) == 0


async def test_proxy_pools_are_for_information() -> None:
    probes = ALL_UP | {"proxy_pools": down(LedgerError("no endpoint answers"))}
    answer = await make_health(probes).check()
    assert answer.status == "ok"
    assert answer.components["proxy_pools"].status == "degraded"


async def test_component_without_a_probe_is_unknown_and_not_ok() -> None:
    answer = await make_health({}).check()
    assert answer.components["broker"].status == "unknown"
    assert answer.status == "degraded"


async def test_probe_that_hangs_is_given_up_and_holds_up_nobody() -> None:
    probes = ALL_UP | {"broker": hang, "storage": hang}
    answer = await make_health(probes, deadline_s=0.01).check()
    assert answer.components["broker"].detail == "no answer within 0.01 s"
    assert answer.components["ledger"].status == "ok"


async def test_unexpected_exception_means_down_and_is_not_shown() -> None:
    probes = ALL_UP | {"broker": down(ValueError("user:password@host"))}
    answer = await make_health(probes).check()
    assert answer.components["broker"].detail == "ValueError"


async def test_good_answer_of_storage_is_believed_for_a_minute() -> None:
    now_ms, asked = 0, list[str]()

    def counting(name: str) -> Probe:
        async def probe() -> str | None:
            asked.append(name)
            return None

        return probe

    probes = {name: counting(name) for name in ("ledger", "storage")}
    health = make_health(probes, clock=lambda: now_ms)
    for now_ms in (0, 59_999, 60_000):  # noqa: B007 - the clock reads it
        await health.check()
    assert asked.count("ledger") == 3
    assert asked.count("storage") == 2


async def test_bad_answer_of_storage_is_not_believed() -> None:
    probes = dict(ALL_UP) | {"storage": down(LedgerError("away"))}
    health = make_health(probes)
    await health.check()
    probes["storage"] = up()
    assert (await health.check()).status == "ok"


async def test_stopping_service_is_not_ready() -> None:
    stopping = asyncio.Event()
    stopping.set()
    answer = await make_health(ALL_UP, stopping=stopping).check()
    assert answer.components["api"].detail == "shutting down"
    assert answer.status == "degraded"


async def test_gauge_is_refreshed_while_the_application_runs() -> None:
    metrics = Metrics()
    health = make_health(ALL_UP, metrics=metrics)
    async with health.refreshing(None):
        while ready(metrics) != 1:  # noqa: ASYNC110 - a gauge announces nothing
            await asyncio.sleep(0)


@pytest.mark.parametrize(("probes", "status"), [(ALL_UP, 200), ({}, 503)], ids=["up", "down"])
async def test_status_follows_health(
    services: ApiServices, probes: Mapping[str, Probe], status: int
) -> None:
    on = replace(services, probes=probes)
    client = AsgiClient(create_app(on, make_options(), stopping=asyncio.Event()))
    for path in ("/health", "/health/ready", "/operators/health"):
        answer = await client.get(path)
        assert answer.status == status
        assert answer.json["status"] == ("ok" if status == 200 else "degraded")
        assert answer.headers.get("retry-after") == (None if status == 200 else "1")


async def test_liveness_is_always_200(services: ApiServices) -> None:
    stopping = asyncio.Event()
    stopping.set()
    client = AsgiClient(create_app(services, make_options(), stopping=stopping))
    answer = await client.get("/health/live")
    assert (answer.status, answer.json) == (200, {"status": "ok"})
