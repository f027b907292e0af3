"""Readiness of the worker: the answer, the gauge, the reason."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from fetchbox.bootstrap.readiness import Readiness
from fetchbox.broker.port import BrokerUnavailableError
from fetchbox.telemetry.metrics import Metrics


def gauge(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("service_ready", {"service": "worker"})


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def away() -> bool:
    msg = "bucket is gone"
    raise BrokerUnavailableError(msg)


async def silent() -> bool:
    await asyncio.Event().wait()
    return True


@pytest.mark.parametrize(
    ("check", "expected", "reason"),
    [
        pytest.param(yes, True, None, id="ready"),
        pytest.param(no, False, None, id="not-consuming"),
        pytest.param(away, False, "bucket is gone", id="component-down"),
        pytest.param(silent, False, "no answer within 0.01 s", id="no-answer"),
    ],
)
async def test_answer_is_mirrored_in_the_gauge(
    check: Callable[[], Awaitable[bool]],
    *,
    expected: bool,
    reason: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics()
    readiness = Readiness(service="worker", metrics=metrics, check=check, deadline_s=0.01)
    assert await readiness.is_ready() is expected
    assert gauge(metrics) == float(expected)
    assert [record.__dict__["reason"] for record in caplog.records] == ([reason] if reason else [])


async def test_gauge_is_set_before_anybody_asks() -> None:
    metrics = Metrics()
    readiness = Readiness(service="worker", metrics=metrics, check=yes)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await readiness.refresh()
    assert gauge(metrics) == 1.0
