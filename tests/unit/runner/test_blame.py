"""The blame line: the rule that wins, and the fact it names."""

from typing import Any

import pytest

from runner.blame import Culprit, Facts, ServiceFact, blame


def facts(**changes: Any) -> Facts:
    wanted: dict[str, Any] = {"error_type": "AssertionError", "error_text": "1 == 2\nmore"}
    return Facts(**wanted | changes)


def service(name: str, **changes: Any) -> ServiceFact:
    wanted: dict[str, Any] = {"name": name, "is_up": False}
    return ServiceFact(**wanted | changes)


ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "assertion alone": ({}, "PRODUCT: 1 == 2"),
    "divergence": (
        {"divergence": "stored: never seen"},
        "PRODUCT: first divergence: stored: never seen",
    ),
    "error line": (
        {"error_lines": ["task crashed"], "divergence": "x"},
        "PRODUCT: logged an error: task crashed",
    ),
    "worker died": (
        {"services": [service("worker-1", exit_code=-11)]},
        "PRODUCT: worker-1 is down (exit code -11)",
    ),
    "worker killed by the test": (
        {"services": [service("worker-1", by_test=True)]},
        "PRODUCT: 1 == 2",
    ),
    "s3 died": (
        {"services": [service("worker-1"), service("s3", exit_code=137)]},
        "ENVIRONMENT: s3 is down (exit code 137)",
    ),
    "iggy out of memory": (
        {"services": [service("iggy", was_oom_killed=True)]},
        "ENVIRONMENT: iggy was killed for want of memory",
    ),
    "no disk": (
        {"disk_free_bytes": 5 << 20, "services": [service("s3")]},
        "HOST: only 5 MiB of disk were free",
    ),
    "no memory": ({"memory_free_bytes": 9 << 20}, "HOST: only 9 MiB of memory were free"),
    "starved wait": (
        {"is_wait": True, "cpu_pressure": 97.2, "divergence": "x"},
        "HOST: tasks waited for the CPU 97 % of the time during the wait",
    ),
    "starved, but no wait": ({"cpu_pressure": 97.2}, "PRODUCT: 1 == 2"),
    "near miss": (
        {"near_misses": ["GET /x: header accept differs"]},
        "TEST: no stub fits a request: GET /x: header accept differs",
    ),
    "broken test": (
        {"error_type": "KeyError", "error_text": "'job'"},
        "TEST: the test raised KeyError: 'job'",
    ),
    "wrong count": (
        {"error_type": "ValueError", "error_text": "too many values to unpack (expected 1)"},
        "PRODUCT: too many values to unpack (expected 1)",
    ),
    "wait that failed": (
        {"error_type": "WaitFailedError", "error_text": "not within 3 s"},
        "PRODUCT: not within 3 s",
    ),
}


@pytest.mark.parametrize(("changes", "line"), ROWS.values(), ids=ROWS.keys())
def test_blame_names_the_culprit_and_the_fact(changes: dict[str, Any], line: str) -> None:
    assert str(blame(facts(**changes))) == line


def test_every_culprit_can_be_blamed() -> None:
    blamed = {blame(facts(**changes)).culprit for changes, _ in ROWS.values()}
    assert blamed == set(Culprit)
