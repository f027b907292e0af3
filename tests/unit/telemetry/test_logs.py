import asyncio
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator

import pytest

from fetchbox.telemetry.logs import LEVELS, bind_ids, carry_ids, configure_logging
from tests.fakes.json_lines import Lines, json_lines


@pytest.fixture
def lines() -> Iterator[Lines]:
    with json_lines() as opened:
        yield opened


def test_a_line_has_the_fixed_fields_first(lines: Lines) -> None:
    logging.getLogger("fetchbox.intake").info("job accepted", extra={"job_id": "j1", "count": 2})
    line = lines.last()
    assert list(line) == ["timestamp", "level", "target", "message", "job_id", "count"]
    assert line["timestamp"].endswith("Z")
    assert len(line["timestamp"]) == len("2026-01-01T00:00:00.000Z")
    assert (line["level"], line["target"], line["message"]) == (
        "info",
        "fetchbox.intake",
        "job accepted",
    )
    assert line["count"] == 2


@pytest.mark.parametrize(
    ("level", "word"),
    [
        (logging.DEBUG, "debug"),
        (logging.INFO, "info"),
        (logging.WARNING, "warn"),
        (logging.ERROR, "error"),
        (logging.CRITICAL, "error"),
    ],
)
def test_levels_are_spelled_as_in_job_logs(lines: Lines, level: int, word: str) -> None:
    configure_logging("trace", lines.stream)
    logging.getLogger("fetchbox.x").log(level, "event")
    assert lines.last()["level"] == word


async def test_bound_ids_are_on_every_line_of_the_task_and_its_children(lines: Lines) -> None:
    log = logging.getLogger("fetchbox.x")

    async def child() -> None:
        log.info("child")

    with bind_ids(request_id="r1"):
        with bind_ids(job_id="j1", tenant="acme"):
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
        log.info("outer")
    log.info("after")
    ids = [{name: line.get(name) for name in ("request_id", "job_id")} for line in lines.read()]
    assert ids == [
        {"request_id": "r1", "job_id": "j1"},
        {"request_id": "r1", "job_id": None},
        {"request_id": None, "job_id": None},
    ]


async def test_carried_ids_stay_with_their_task(lines: Lines) -> None:
    log = logging.getLogger("fetchbox.x")

    async def child() -> None:
        carry_ids({"job_id": "j1"})
        log.info("child")

    with bind_ids(request_id="r1"):
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
        child_line = lines.last()
        log.info("parent")
    assert (child_line["request_id"], child_line["job_id"]) == ("r1", "j1")
    assert "job_id" not in lines.last()


def test_ids_are_unbound_when_the_context_fails(lines: Lines) -> None:
    with pytest.raises(ZeroDivisionError), bind_ids(job_id="j1"):
        raise ZeroDivisionError
    logging.getLogger("fetchbox.x").info("after")
    assert "job_id" not in lines.last()


def test_an_extra_wins_over_a_bound_id_but_not_over_a_fixed_field(lines: Lines) -> None:
    with bind_ids(job_id="bound"):
        logging.getLogger("fetchbox.x").info(
            "event", extra={"job_id": "own", "level": "fatal", "target": "elsewhere"}
        )
    line = lines.last()
    assert (line["job_id"], line["level"], line["target"]) == ("own", "info", "fetchbox.x")


def test_an_exception_is_one_line_with_its_traceback(lines: Lines) -> None:
    try:
        int("went wrong")
    except ValueError:
        logging.getLogger("fetchbox.x").exception("task crashed")
    line = lines.last()
    assert line["message"] == "task crashed"
    assert "ValueError: invalid literal" in line["exception"]


@pytest.mark.parametrize(
    "name",
    [
        "operator_token",
        "token",
        "password",
        "secret_key",
        "access_key",
        "client_secret",
        "Authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "api_key",
    ],
)
def test_a_field_named_like_a_secret_is_hidden(lines: Lines, name: str) -> None:
    logging.getLogger("fetchbox.x").info("event", extra={name: "hunter2"})
    assert lines.last()[name] == "***"
    assert "hunter2" not in lines.stream.getvalue()


@pytest.mark.parametrize("name", ["manifest_key", "storage_key", "key", "tokens_left"])
def test_other_keys_are_shown(lines: Lines, name: str) -> None:
    logging.getLogger("fetchbox.x").info("event", extra={name: "shown"})
    assert lines.last()[name] == "shown"


def test_userinfo_is_masked_wherever_it_is(lines: Lines) -> None:
    log = logging.getLogger("fetchbox.x")
    log.info("through %s", "http://user:hunter2@proxy:3128/", extra={"url": "iggy://u:hunter2@h"})
    try:
        int("https://me:hunter2@host/path")
    except ValueError:
        log.exception("failed", extra={"nested": {"a": ["socks5://u:hunter2@h"]}})
    assert "hunter2" not in lines.stream.getvalue()
    assert lines.read()[0]["message"] == "through http://***@proxy:3128/"


def test_an_address_without_userinfo_is_left_alone(lines: Lines) -> None:
    text = 'see http://host/a, mail me@host, and "http://host", x@y'
    logging.getLogger("fetchbox.x").info(text)
    assert lines.last()["message"] == text


@pytest.mark.parametrize(
    "value",
    [object(), {1: 2}, {"a": object()}, "\ud800", b"bytes", 10**400, float("nan")],
    ids=["object", "int-keys", "deep-object", "surrogate", "bytes", "huge", "nan"],
)
def test_whatever_is_logged_stays_one_readable_line(lines: Lines, value: object) -> None:
    logging.getLogger("fetchbox.x").info("event\nin two lines", extra={"value": value})
    assert len(lines.read()) == 1
    assert lines.last()["message"] == "event\nin two lines"
    assert "value" in lines.last()


def test_our_level_does_not_open_the_libraries_debug_lines(lines: Lines) -> None:
    configure_logging("debug", lines.stream)
    logging.getLogger("aiohttp").debug("header dump")
    logging.getLogger("fetchbox.x").debug("ours")
    assert [line["message"] for line in lines.read()] == ["ours"]


def test_a_higher_level_closes_everything_below(lines: Lines) -> None:
    configure_logging(" WARN ", lines.stream)
    for name in ("fetchbox.x", "uvicorn.error"):
        logging.getLogger(name).info("quiet")
        logging.getLogger(name).warning("loud")
    assert [line["message"] for line in lines.read()] == ["loud", "loud"]


def test_an_unknown_level_is_refused_with_the_choice() -> None:
    with pytest.raises(ValueError, match=r"'loud' is unknown; use one of trace, debug, info"):
        configure_logging("loud")
    assert "warning" in LEVELS


def test_warnings_and_uvicorn_come_through_the_same_way(lines: Lines) -> None:
    logging.getLogger("uvicorn.error").info("Started", extra={"color_message": "\x1b[1mStarted"})
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("beware", stacklevel=1)
    uvicorn, warning = lines.read()
    assert uvicorn["target"] == "uvicorn.error"
    assert "color_message" not in uvicorn
    assert (warning["target"], warning["level"]) == ("py.warnings", "warn")


SERVER = """
import asyncio, logging
from fetchbox.api.server import serve
from fetchbox.telemetry.exposition import exposition_app
from fetchbox.telemetry.logs import configure_logging
from fetchbox.telemetry.metrics import Metrics

async def yes():
    return True

async def main():
    stop = asyncio.Event()
    app = exposition_app(Metrics(), yes)

    def on_bound(host, port):
        logging.getLogger("fetchbox.x").info("serving")
        logging.getLogger("uvicorn.error").error("broken")
        stop.set()

    await serve(app, "127.0.0.1", 0, stop=stop, stopping=asyncio.Event(), on_bound=on_bound)

configure_logging("info")
asyncio.run(main())
"""


def test_a_served_process_writes_nothing_but_json() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVER], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stderr == ""
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"fetchbox.x", "uvicorn.error"} <= {line["target"] for line in found}
    assert all(line["timestamp"] and line["level"] and line["message"] for line in found)
