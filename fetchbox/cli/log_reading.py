"""Read a job's log over server-sent events, and go on where a dropped connection left off."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NoReturn, TypeVar

import msgspec
from msgspec import Struct

from fetchbox.cli.exits import Exit
from fetchbox.cli.http import ApiClient, ClientError, LostError, Problem, segment, told

EVENT_STREAM: Final = "text/event-stream"
#: Events asked for at a time when the user set no limit; the server gives no more.
PAGE: Final = 10_000
#: Waits before a dropped stream is opened again; when all were in vain, it stays lost.
PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)

T = TypeVar("T", bound=Struct)


class LogLine(Struct, kw_only=True):
    """`data` of `event: log`."""

    job_id: str
    resource_id: str
    level: str
    message: str
    fields: dict[str, str]
    timestamp_ms: int
    trace_id: str
    offset: int
    partition: int


class EndOfLog(Struct, kw_only=True):
    """`data` of `event: end`."""

    next_offset: int
    count: int
    reason: Literal["limit", "tail", "terminal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event."""

    name: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRange:
    """What to read; None means from the job's first event, and all there is."""

    since_offset: int | None = None
    limit: int | None = None
    follow: bool = False


class LogReader:
    """One walk through a log; `on_lost` is told of every connection that was dropped."""

    def __init__(
        self,
        api: ApiClient,
        job_id: str,
        wanted: LogRange,
        *,
        on_lost: Callable[[str], None],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open nothing yet."""
        self._api = api
        self._path = f"/operators/jobs/{segment(job_id)}/logs"
        self._wanted = wanted
        self._on_lost = on_lost
        self._pause = pause
        self._left = wanted.limit
        self._seen: int | None = None
        self._was_open = False
        self._pauses = list(PAUSES_S)

    def lines(self) -> Iterator[LogLine]:
        """Yield events in order, each once; raises ClientError."""
        is_over = False
        while not is_over:
            try:
                is_over = yield from self._one_stream()
            except LostError as error:
                is_over = self._has_all(error)

    def _one_stream(self) -> Generator[LogLine, None, bool]:
        """Yield the events of one connection; returns whether the log has ended with it."""
        query = {
            "since_offset": self._wanted.since_offset,
            "limit": PAGE if self._left is None else self._left,
            "follow": "true" if self._wanted.follow else None,
        }
        seen = None if self._seen is None else str(self._seen)
        headers = {"Last-Event-ID": seen}
        with self._api.stream(self._path, EVENT_STREAM, query, headers) as lines:
            self._was_open = True
            for event in parse_events(lines):
                if event.name == "end":
                    return self._ended(_decoded(event, EndOfLog))
                if event.name == "error":
                    _give_up(_decoded(event, Problem))
                if event.name == "log":
                    yield self._noted(_decoded(event, LogLine))
        text = f"{self._api.server} ended the log early"
        raise LostError(text)

    def _noted(self, line: LogLine) -> LogLine:
        self._seen = line.offset
        self._pauses = list(PAUSES_S)
        if self._left is not None:
            self._left -= 1
        return line

    def _ended(self, end: EndOfLog) -> bool:
        if end.reason != "limit" or self._left is not None:
            return True
        self._seen = end.next_offset - 1
        return False

    def _has_all(self, error: LostError) -> bool:
        """Tell whether nothing is missing; else wait before the next try, or give up."""
        if self._left == 0:
            return True
        if not self._was_open or not self._pauses:
            raise error
        self._on_lost(str(error))
        self._pause(self._pauses.pop(0))
        return False


def parse_events(lines: Iterable[bytes]) -> Iterator[Event]:
    """Gather lines to events; comments and unknown fields are passed over."""
    name, data = "message", list[str]()
    for raw in lines:
        line = raw.decode(errors="replace").rstrip("\r")
        key, _, text = line.partition(":")
        text = text.removeprefix(" ")
        if not line:
            if data:
                yield Event(name=name, data="\n".join(data))
            name, data = "message", []
        elif key == "event":
            name = text
        elif key == "data":
            data.append(text)


def _decoded(event: Event, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(event.data, type=shape)
    except (msgspec.DecodeError, RecursionError) as error:
        text = f"the log holds an event this version does not know: {event.name}"
        raise ClientError(text, Exit.UNREACHABLE) from error


def _give_up(problem: Problem) -> NoReturn:
    raise LostError(told(problem.error), Exit.REFUSED)
