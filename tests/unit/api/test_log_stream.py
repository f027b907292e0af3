"""The log of a job as server-sent events (contract 2.4)."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar, Router

from fetchbox.api.access import Access
from fetchbox.api.errors import EXCEPTION_HANDLERS
from fetchbox.api.log_stream import PAGE, LogStreaming, Pacing, pause_until
from fetchbox.broker import streams
from fetchbox.broker.port import BrokerUnavailableError, TopicSpec
from fetchbox.ledger.port import NewJob
from fetchbox.ledger.sqlite import SqliteLedger
from fetchbox.model.job import LastError, Pointer
from fetchbox.model.outcome import LogEvent, LogLevel
from fetchbox.telemetry.metrics import Metrics
from fetchbox.wire.codec import encode_log
from tests.fakes.api import JOB_ID
from tests.fakes.asgi import Answer, AsgiClient, Headers, Upload
from tests.fakes.broker import FakeBroker

PARTITIONS = 4
MINE = streams.partition_of(JOB_ID, PARTITIONS)
#: Another job whose events share the partition.
NEIGHBOUR = next(
    name for name in map(str, range(1000)) if streams.partition_of(name, PARTITIONS) == MINE
)
LOGS = f"/operators/jobs/{JOB_ID}/logs"


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    name: str
    data: Any
    id: str | None


def parse(text: bytes) -> list[Event]:
    """Split a stream into events; comments are left out."""
    blocks = [block for block in text.decode().split("\n\n") if block and block[0] != ":"]
    events = []
    for block in blocks:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append(Event(fields["event"], json.loads(fields["data"]), fields.get("id")))
    return events


def log(message: str, job_id: str = JOB_ID) -> bytes:
    return encode_log(
        LogEvent(
            job_id=job_id,
            resource_id="a.jpg",
            level=LogLevel.WARN,
            message=message,
            fields={"attempts": "2"},
            timestamp_ms=17,
            trace_id="t",
        )
    )


Step = Callable[[], Awaitable[None]]


@dataclass
class Script:
    """What happens in each pause of a followed log; afterwards, the service is stopping."""

    steps: list[Step] = field(default_factory=list)
    waited_s: float = 0.0

    async def pause(self, seconds: float) -> bool:
        self.waited_s += seconds
        if not self.steps:
            return True
        await self.steps.pop(0)()
        return False


async def nothing() -> None:
    """Let a pause go by."""


def viewer(broker: FakeBroker, ledger: SqliteLedger, script: Script | None = None) -> AsgiClient:
    """Return a client of the log route alone."""
    routes = LogStreaming(
        broker=broker,
        ledger=ledger,
        pause=(script or Script()).pause,
        request_timeout_ms=1000,
        pacing=Pacing(poll_s=1.0, keep_alive_s=3.0, idle_s=5.0),
    )
    app = Litestar(
        [Router("/operators", route_handlers=routes.streams())],
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
        logging_config=None,
    )
    app.asgi_handler = Access(app.asgi_handler, Metrics())
    return AsgiClient(app)


@pytest.fixture
async def broker() -> FakeBroker:
    made = FakeBroker()
    await made.ensure([TopicSpec(name=streams.LOGS, partitions=PARTITIONS, retention_ms=1)])
    return made


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    async with SqliteLedger(path=tmp_path) as opened:
        await opened.create_job(new_job(Pointer(partition=MINE, offset=0)))
        yield opened


def new_job(cursor: Pointer) -> NewJob:
    return NewJob(
        job_id=JOB_ID,
        job_type="default",
        tenant="acme",
        manifest_key="s3://b/k",
        manifest_sha256="",
        resource_count=3,
        log_cursor=cursor,
        trace_id="t",
        created_at_ms=1,
    )


@pytest.fixture
def client(broker: FakeBroker, ledger: SqliteLedger) -> AsgiClient:
    return viewer(broker, ledger)


async def write(broker: FakeBroker, *messages: str, job_id: str = JOB_ID) -> None:
    await broker.publish(streams.LOGS, job_id, [log(text, job_id) for text in messages])


def messages(answer: Answer) -> list[str]:
    return [event.data["message"] for event in parse(answer.body) if event.name == "log"]


async def test_log_is_sent_with_every_field_and_ends_at_the_tail(
    client: AsgiClient, broker: FakeBroker
) -> None:
    await write(broker, "one")
    answer = await client.get(LOGS)

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert parse(answer.body) == [
        Event(
            "log",
            {
                "job_id": JOB_ID,
                "resource_id": "a.jpg",
                "level": "warn",
                "message": "one",
                "fields": {"attempts": "2"},
                "timestamp_ms": 17,
                "trace_id": "t",
                "offset": 0,
                "partition": MINE,
            },
            "0",
        ),
        Event("end", {"next_offset": 1, "count": 1, "reason": "tail"}, None),
    ]


async def test_other_jobs_and_junk_are_skipped(
    client: AsgiClient, broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    await write(broker, "theirs", job_id=NEIGHBOUR)
    await broker.publish(streams.LOGS, JOB_ID, [b"\xff" + JOB_ID.encode()])
    await write(broker, f"theirs about {JOB_ID}", job_id=NEIGHBOUR)
    await write(broker, "mine")
    answer = await client.get(LOGS)
    assert messages(answer) == ["mine"]
    assert parse(answer.body)[-1].data == {"next_offset": 4, "count": 1, "reason": "tail"}
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "log event skipped"
    ]


@pytest.mark.parametrize(
    ("query", "headers", "expected", "end"),
    [
        pytest.param("", {}, "0123", (4, 4, "tail"), id="all"),
        pytest.param("?since_offset=2", {}, "23", (4, 2, "tail"), id="since-is-inclusive"),
        pytest.param("?since_offset=9", {}, "", (9, 0, "tail"), id="since-beyond-the-tail"),
        pytest.param("?limit=2", {}, "01", (2, 2, "limit"), id="limit"),
        pytest.param("?limit=4", {}, "0123", (4, 4, "limit"), id="limit-at-the-tail"),
        pytest.param("", {"Last-Event-ID": "1"}, "23", (4, 2, "tail"), id="resumed"),
        pytest.param(
            "?since_offset=0", {"Last-Event-ID": "2"}, "3", (4, 1, "tail"), id="resumed-wins"
        ),
        pytest.param("?limit=1&since_offset=1", {}, "1", (2, 1, "limit"), id="both"),
    ],
)
async def test_range_is_as_asked(
    client: AsgiClient,
    broker: FakeBroker,
    query: str,
    headers: Headers,
    expected: str,
    end: tuple[int, int, str],
) -> None:
    await write(broker, *"0123")
    answer = await client.get(LOGS + query, headers)
    assert messages(answer) == list(expected)
    assert tuple(parse(answer.body)[-1].data.values()) == end


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        pytest.param("?since_offset=-1", {}, id="negative"),
        pytest.param("?since_offset=x", {}, id="not-a-number"),
        pytest.param("?since_offset=99999999999999999999", {}, id="too-big"),
        pytest.param("?limit=0", {}, id="limit-0"),
        pytest.param("?limit=10001", {}, id="limit-10001"),
        pytest.param("?follow=perhaps", {}, id="follow"),
        pytest.param("?folow=true", {}, id="unknown-name"),
        pytest.param("", {"Last-Event-ID": "x"}, id="last-event-id"),
        pytest.param("", {"Last-Event-ID": "-1"}, id="last-event-id-negative"),
    ],
)
async def test_bad_range_is_refused(client: AsgiClient, query: str, headers: Headers) -> None:
    answer = await client.get(LOGS + query, headers)
    assert (answer.status, answer.json["error"]["code"]) == (400, "INVALID_PAYLOAD")


async def test_unknown_job_is_404(client: AsgiClient) -> None:
    answer = await client.get("/operators/jobs/nope/logs")
    assert (answer.status, answer.json["error"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        pytest.param(Pointer(partition=MINE, offset=1), "12", id="own-cursor"),
        pytest.param(Pointer(partition=MINE + 1, offset=1), "012", id="of-another-layout"),
    ],
)
async def test_default_start_is_the_cursor_of_the_job(
    tmp_path: Path, broker: FakeBroker, cursor: Pointer, expected: str
) -> None:
    await write(broker, *"012")
    async with SqliteLedger(path=tmp_path) as ledger:
        await ledger.create_job(new_job(cursor))
        assert messages(await viewer(broker, ledger).get(LOGS)) == list(expected)


async def test_long_log_is_read_page_by_page(client: AsgiClient, broker: FakeBroker) -> None:
    await write(broker, *map(str, range(2500)))
    answer = await client.get(LOGS + "?limit=2300")
    assert len(messages(answer)) == 2300
    assert parse(answer.body)[-1].data["reason"] == "limit"


async def test_gap_at_the_end_is_the_tail(client: AsgiClient, broker: FakeBroker) -> None:
    """Retention may have removed what lay before the tail."""
    await write(broker, *"0123")
    await broker.purge(streams.LOGS)
    answer = await client.get(LOGS)
    assert parse(answer.body)[-1].data == {"next_offset": 4, "count": 0, "reason": "tail"}


class FlakyBroker(FakeBroker):
    """Fails at one call, counted from now."""

    fails_in: int = -1

    def check(self) -> None:
        self.fails_in -= 1
        if self.fails_in == 0:
            raise BrokerUnavailableError("away")
        super().check()


@pytest.mark.parametrize("call", [1, 2], ids=["describe", "read"])
async def test_broker_that_fails_before_the_first_byte_is_503(
    ledger: SqliteLedger, broker: FakeBroker, call: int
) -> None:
    flaky = FlakyBroker(broker.log)
    client = viewer(flaky, ledger)
    flaky.fails_in = call
    answer = await client.get(LOGS)
    assert (answer.status, answer.json["error"]["code"]) == (503, "QUEUE_UNAVAILABLE")


async def test_broker_that_fails_later_is_an_error_event(
    ledger: SqliteLedger, broker: FakeBroker
) -> None:
    await write(broker, *map(str, range(PAGE + 1)))
    flaky = FlakyBroker(broker.log)
    client = viewer(flaky, ledger)
    flaky.fails_in = 3
    answer = await client.get(LOGS + "?limit=5000")
    assert answer.status == 200
    assert len(messages(answer)) == PAGE
    last = parse(answer.body)[-1]
    assert (last.name, last.data["error"]["code"]) == ("error", "QUEUE_UNAVAILABLE")


async def test_missing_topic_is_503(ledger: SqliteLedger) -> None:
    client = viewer(FakeBroker(), ledger)
    assert (await client.get(LOGS)).status == 503


async def test_followed_log_shows_what_comes_and_stops_with_the_service(
    broker: FakeBroker, ledger: SqliteLedger
) -> None:
    """No end event on stop: clients come back with Last-Event-ID."""
    await write(broker, "before")
    script = Script([lambda: write(broker, "during"), nothing])
    answer = await viewer(broker, ledger, script).get(LOGS + "?follow=true")
    assert messages(answer) == ["before", "during"]
    assert parse(answer.body)[-1].name == "log"


async def test_followed_log_ends_at_its_limit(broker: FakeBroker, ledger: SqliteLedger) -> None:
    script = Script([lambda: write(broker, *"012")])
    answer = await viewer(broker, ledger, script).get(LOGS + "?follow=1&limit=2")
    assert messages(answer) == ["0", "1"]
    assert parse(answer.body)[-1].data == {"next_offset": 2, "count": 2, "reason": "limit"}


async def test_followed_log_reads_a_backlog_without_pauses(
    broker: FakeBroker, ledger: SqliteLedger
) -> None:
    await write(broker, *map(str, range(3 * PAGE)))
    script = Script()
    answer = await viewer(broker, ledger, script).get(LOGS + "?follow=1&limit=10000")
    assert len(messages(answer)) == 3 * PAGE
    assert script.waited_s == 1.0


async def test_followed_log_ends_when_the_job_is_over_and_quiet(
    broker: FakeBroker, ledger: SqliteLedger
) -> None:
    async def end_job() -> None:
        await ledger.abort_job(JOB_ID, LastError(code="X", message="x"), now_ms=2)

    script = Script([end_job, nothing, lambda: write(broker, "late"), *[nothing] * 10])
    answer = await viewer(broker, ledger, script).get(LOGS + "?follow=true")
    assert messages(answer) == ["late"]
    assert parse(answer.body)[-1].data == {"next_offset": 1, "count": 1, "reason": "terminal"}
    assert script.waited_s == 3 + 5


async def test_followed_log_of_a_running_job_stays_open_and_says_so(
    broker: FakeBroker, ledger: SqliteLedger
) -> None:
    script = Script([nothing] * 7)
    answer = await viewer(broker, ledger, script).get(LOGS + "?follow=true")
    assert answer.body == b": keep-alive\n\n" * 2


async def test_event_resets_the_keep_alive(broker: FakeBroker, ledger: SqliteLedger) -> None:
    script = Script([nothing, nothing, lambda: write(broker, "x"), nothing, nothing])
    answer = await viewer(broker, ledger, script).get(LOGS + "?follow=true")
    assert answer.body.count(b": keep-alive") == 1


async def test_pause_ends_early_when_the_service_stops() -> None:
    stopping = asyncio.Event()
    pause = pause_until(stopping)
    assert await pause(0.001) is False
    stopping.set()
    assert await pause(3600) is True


async def test_followed_log_ends_when_the_client_leaves(
    broker: FakeBroker, ledger: SqliteLedger
) -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    await write(broker, "one")
    client = viewer(broker, ledger, Script([forever]))
    gone = Upload([], is_cut=True)
    async with asyncio.timeout(5):
        answer = await client.send("GET", LOGS + "?follow=true", body=gone)
    assert messages(answer) == ["one"]
