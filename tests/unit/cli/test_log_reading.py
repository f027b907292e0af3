"""Reading a log: events, pages, and going on after a dropped connection."""

from collections.abc import Callable

import pytest

from fetchbox.api.log_stream import EVENT_STREAM, EndOfLog
from fetchbox.cli import log_reading
from fetchbox.cli.exits import Exit
from fetchbox.cli.http import ApiClient, ClientError
from fetchbox.cli.log_reading import PAUSES_S, Event, LogRange, LogReader, parse_events
from tests.fakes.served import ScriptedServer, answer, broken_stream, ended_stream

Serve = Callable[..., ScriptedServer]
ALL = LogRange()


def log(offset: int) -> bytes:
    data = (
        f'{{"job_id":"j","resource_id":"r","level":"info","message":"m{offset}","fields":{{}},'
        f'"timestamp_ms":1,"trace_id":"t","offset":{offset},"partition":2}}'
    )
    return f"id: {offset}\nevent: log\ndata: {data}\n\n".encode()


def end(next_offset: int, reason: str = "tail") -> bytes:
    data = f'{{"next_offset":{next_offset},"count":1,"reason":"{reason}"}}'
    return f"event: end\ndata: {data}\n\n".encode()


def whole(*events: bytes) -> bytes:
    return ended_stream(b": keep-alive\n\n" + b"".join(events), EVENT_STREAM)


def cut(*events: bytes) -> bytes:
    return broken_stream(b"".join(events), EVENT_STREAM)


class Reading:
    """Read a whole log from a server, without waiting."""

    def __init__(self, server: ScriptedServer, wanted: LogRange = ALL) -> None:
        self.lost: list[str] = []
        self.pauses: list[float] = []
        self.offsets: list[int] = []
        self.reader = LogReader(
            ApiClient(server.url),
            "j",
            wanted,
            on_lost=self.lost.append,
            pause=self.pauses.append,
        )

    def run(self) -> list[int]:
        for line in self.reader.lines():
            self.offsets.append(line.offset)
        return self.offsets


def test_log_is_read_to_its_end(scripted: Serve) -> None:
    server = scripted(whole(log(4), log(7), end(8)))
    assert Reading(server).run() == [4, 7]
    assert server.requests[0].startswith(b"GET /operators/jobs/j/logs?limit=10000 HTTP/1.1\r\n")
    assert b"Last-Event-ID" not in server.requests[0]


def test_range_is_passed_on(scripted: Serve) -> None:
    server = scripted(whole(end(0)))
    Reading(server, LogRange(since_offset=3, limit=5, follow=True)).run()
    assert b"logs?since_offset=3&limit=5&follow=true " in server.requests[0]


@pytest.mark.parametrize("first", [cut(log(4), log(7)), whole(log(4), log(7))], ids=["cut", "end"])
def test_dropped_connection_is_taken_up_after_the_last_event(scripted: Serve, first: bytes) -> None:
    server = scripted(first, whole(log(9), end(10, "terminal")))
    reading = Reading(server, LogRange(follow=True, limit=5))
    assert reading.run() == [4, 7, 9]
    assert b"limit=3" in server.requests[1]
    assert b"Last-Event-ID: 7\r\n" in server.requests[1]
    assert len(reading.lost) == 1
    assert reading.pauses == [PAUSES_S[0]]


def test_broker_that_is_away_for_a_moment_is_waited_for(scripted: Serve) -> None:
    error = b'event: error\ndata: {"error":{"code":"QUEUE_UNAVAILABLE","message":"m"}}\n\n'
    server = scripted(whole(log(1), error), whole(log(2), end(3)))
    reading = Reading(server)
    assert reading.run() == [1, 2]
    assert reading.lost == ["QUEUE_UNAVAILABLE: m"]


def test_server_that_stays_away_is_given_up(scripted: Serve) -> None:
    server = scripted(cut(log(1)), *[b""] * len(PAUSES_S))
    reading = Reading(server)
    with pytest.raises(ClientError) as caught:
        reading.run()
    assert caught.value.code == Exit.UNREACHABLE
    assert reading.offsets == [1]
    assert reading.pauses == list(PAUSES_S)


def test_patience_is_renewed_by_every_event(scripted: Serve) -> None:
    server = scripted(*(cut(log(number)) for number in range(8)), whole(end(9)))
    assert Reading(server).run() == list(range(8))


def test_log_that_cannot_be_opened_is_not_tried_again(scripted: Serve) -> None:
    reading = Reading(scripted(b"", whole(end(0))))
    with pytest.raises(ClientError):
        reading.run()
    assert reading.pauses == []


def test_without_a_limit_page_follows_page(scripted: Serve) -> None:
    server = scripted(whole(log(1), end(2, "limit")), whole(log(2), end(3)))
    assert Reading(server).run() == [1, 2]
    assert b"Last-Event-ID: 1\r\n" in server.requests[1]


def test_limit_ends_it(scripted: Serve) -> None:
    assert Reading(scripted(whole(log(1), end(2, "limit"))), LogRange(limit=1)).run() == [1]


def test_connection_dropped_after_the_last_event_wanted_is_no_loss(scripted: Serve) -> None:
    reading = Reading(scripted(cut(log(1))), LogRange(limit=1))
    assert reading.run() == [1]
    assert reading.lost == []


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(answer("200 OK", b"{}"), id="not-a-stream"),
        pytest.param(whole(b"event: log\ndata: {}\n\n"), id="other-event"),
    ],
)
def test_what_is_no_log_is_told(scripted: Serve, sent: bytes) -> None:
    with pytest.raises(ClientError) as caught:
        Reading(scripted(sent)).run()
    assert caught.value.code == Exit.UNREACHABLE


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param("data: a\n\n", [Event(name="message", data="a")], id="no-name"),
        pytest.param("event: x\r\ndata:a\r\n\r\n", [Event(name="x", data="a")], id="crlf"),
        pytest.param("data: a\ndata: b\n\n", [Event(name="message", data="a\nb")], id="lines"),
        pytest.param(": hi\n\nevent: x\n\n", [], id="no-data"),
        pytest.param(
            "retry: 5\nid: 3\nfoo\ndata: a\n\n", [Event(name="message", data="a")], id="?"
        ),
        pytest.param("data: a\n", [], id="unfinished"),
    ],
)
def test_stream_is_split_into_events(stream: str, expected: list[Event]) -> None:
    assert list(parse_events(stream.encode().split(b"\n")[:-1])) == expected


def test_shapes_are_those_of_the_api() -> None:
    assert log_reading.EndOfLog.__struct_fields__ == EndOfLog.__struct_fields__
    assert log_reading.EVENT_STREAM == EVENT_STREAM
