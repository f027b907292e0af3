"""From the first line of a process to its exit."""

import asyncio
import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import pytest
import uvloop

from fetchbox.bootstrap.errors import StartError
from fetchbox.bootstrap.lifetime import run_until_stopped, start_error_of
from fetchbox.settings.problems import ConfigError
from fetchbox.settings.settings import Settings

Load = Callable[..., Settings]


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("fetchbox")
    before = root.handlers, root.level, own.level
    yield
    root.handlers, root.level, own.level = before
    logging.captureWarnings(capture=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_signal_asks_the_service_to_stop(
    load: Load, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main(stop: asyncio.Event) -> None:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5):
            await stop.wait()

    run_until_stopped(load("[wrker]\n"), "test", main)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["message"] for line in lines] == ["configuration", "stopping"]
    assert "wrker" in lines[0]["hint"]
    assert lines[1]["signal"] == number.name


@pytest.mark.parametrize("error", [StartError("taken"), ConfigError(["bad"])], ids=repr)
def test_reason_is_found_among_what_the_tasks_raised(load: Load, error: Exception) -> None:
    async def fail() -> None:
        raise error

    async def main(_stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as outer:
            outer.create_task(asyncio.sleep(5))
            async with asyncio.TaskGroup() as inner:
                inner.create_task(fail())

    with pytest.raises(type(error)) as caught:
        run_until_stopped(load(), "test", main)
    assert caught.value is error


def test_crash_stays_what_it_is(load: Load) -> None:
    async def main(_stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(5))
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        run_until_stopped(load(), "test", main)
    assert start_error_of(caught.value) is None


@pytest.mark.skipif(find_spec("opentelemetry") is not None, reason="the extra otlp is installed")
def test_tracing_without_its_extra_is_one_line(load: Load) -> None:
    async def main(_stop: asyncio.Event) -> None:
        raise AssertionError

    settings = load(TELEMETRY__OTLP_ENDPOINT="http://127.0.0.1:4317")
    with pytest.raises(StartError, match=r"fetchbox\[otlp\]"):
        run_until_stopped(settings, "test", main)
