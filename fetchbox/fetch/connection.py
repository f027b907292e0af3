"""One connection of HTTP/1.1: sends a GET and receives the answer. httptools parses it.

A request is never sent twice. Whatever goes wrong ends the connection and is raised, as a GetError,
to whoever waits for the answer or the body.
"""

import asyncio
from enum import Enum, auto
from typing import Final, cast

import httptools

from fetchbox.fetch.errors import (
    BrokenError,
    GetError,
    IncompleteError,
    MalformedError,
    OverdueBodyError,
    OverdueError,
    SilentBodyError,
    SilentError,
)

#: How much of a body is held before we stop reading from the socket.
READ_AHEAD_BYTES: Final = 256 * 1024
#: What a piece of a body takes beside its bytes: a body in tiny chunks must not fill the memory.
_PIECE_BYTES: Final = 64
#: Smaller pieces are joined with the next; of larger ones the copy would cost more.
_SMALL_BYTES: Final = 16 * 1024
#: The longest head, and the longest run of bytes that is neither head nor body.
MAX_HEAD_BYTES: Final = 64 * 1024
#: After a stall of our own, bytes that are there unread are read within it.
_GRACE_S: Final = 0.05
_FINAL: Final = 200
_SWITCHING: Final = 101
_TRANSFER_ENCODING: Final = b"transfer-encoding"


class Wait(Enum):
    """What somebody waits for."""

    HEAD = auto()
    SOME = auto()
    WHOLE = auto()


class Head:
    """Status and headers of an answer: the first value of each, its name in lower case."""

    __slots__ = ("headers", "status")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.status = 0
        self.headers: dict[bytes, bytes] = {}


class Connection(asyncio.Protocol):
    """One connection; also what its parser calls back. Serves one request at a time."""

    def __init__(self) -> None:
        """Wait to be connected."""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = _parser(self)
        self.idle_since = 0.0
        self._head = Head()
        self._pieces: list[bytes] = []
        self._held = 0
        #: Bytes since the last that belonged to a head or a body.
        self._unseen = 0
        self._fault: GetError | None = None
        self._has_head = False
        self._is_whole = True
        self._is_kept = True
        self._is_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._awaited = Wait.HEAD
        self._silence_s: float | None = None
        self._deadline: float | None = None
        self._active_at = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._is_suspect = False

    async def ask(self, request: bytes, silence_s: float | None, deadline: float | None) -> Head:
        """Send a request and wait for the head of the answer.

        `silence_s` is the longest wait for the next bytes, `deadline` when all must have arrived,
        on the loop's clock.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise BrokenError
        self._head = Head()
        self._unseen = 0
        self._has_head = self._is_whole = self._is_kept = False
        self._silence_s, self._deadline = silence_s, deadline
        transport.write(request)
        await self._wait(Wait.HEAD)
        return self._head

    async def some(self) -> bytes:
        """Return what has arrived of the body, at least one byte; nothing at its end."""
        if not self._pieces and not self._is_whole and self._fault is None:
            await self._wait(Wait.SOME)
        self._raise_fault()
        pieces = self._pieces
        is_long = len(pieces) > 1 and len(pieces[0]) >= _SMALL_BYTES
        if not is_long:
            return self._joined()
        piece = pieces.pop(0)
        self._held -= len(piece) + _PIECE_BYTES
        if self._held <= READ_AHEAD_BYTES // 2:
            self._resume()
        return piece

    async def whole(self) -> bytes:
        """Return the whole body, which its head has announced to be small."""
        if not self._is_whole and self._fault is None:
            self._resume()
            await self._wait(Wait.WHOLE)
        self._raise_fault()
        return self._joined()

    @property
    def is_reusable(self) -> bool:
        """Whether the answer is here to its end, and another request may be sent."""
        transport = self._transport
        is_open = transport is not None and not transport.is_closing()
        return is_open and self._is_kept

    @property
    def transport(self) -> asyncio.Transport | None:
        """What it runs on; `connection_made` sets it anew when TLS is put on top."""
        return self._transport

    def abort(self) -> None:
        """End it at once."""
        self._disarm()
        if self._transport is not None:
            self._transport.abort()

    def rest(self) -> None:
        """Wait for the next request, with nothing in hand."""
        self.idle_since = self._loop.time()
        self._drop_pieces()

    def reset(self) -> None:
        """Forget what was said: TLS is put on top, and what comes next is of another server."""
        self._parser = _parser(self)
        self._is_whole = self._is_kept = True
        self._drop_pieces()

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is connected."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no such base

    def data_received(self, data: bytes) -> None:
        """Parse; what nobody asked for ends the connection."""
        if self._is_whole:
            self._is_kept = False
            self.abort()
            return
        self._active_at = self._loop.time()
        self._unseen += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_kept = False
        except httptools.HttpParserError:
            self._malformed()
        if self._unseen > MAX_HEAD_BYTES and not self._is_whole:
            self._malformed()
        if self._held > READ_AHEAD_BYTES and self._awaited is not Wait.WHOLE:
            self._pause()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended: the end also of an answer without a length; of any other, a fault."""
        self._disarm()
        if not self._is_whole and self._fault is None:
            if exc is None and self._has_head and self._ends_by_close():
                self._is_whole = True
            else:
                self._fault = IncompleteError() if self._has_head else BrokenError()
        self._is_kept = False
        self._wake()

    # What the parser calls

    def on_message_begin(self) -> None:
        """A second answer to one request: nothing more may be asked here."""
        if self._is_whole:
            self._is_kept = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the first value, and every transfer coding. Trailers are nobody's."""
        if self._has_head:
            return
        name = name.lower()
        headers = self._head.headers
        if name not in headers:
            headers[name] = value
        elif name == _TRANSFER_ENCODING:
            headers[name] += b"," + value

    def on_headers_complete(self) -> None:
        """The head is there, unless its status (1xx) announces another."""
        if self._has_head:
            return
        status = self._parser.get_status_code()
        if status >= _FINAL or status == _SWITCHING:
            self._head.status = status
            self._has_head = True
            self._unseen = 0
        else:
            self._head.headers.clear()

    def on_body(self, body: bytes) -> None:
        """Hold a piece of the body."""
        if not self._is_whole:
            self._pieces.append(body)
            self._held += len(body) + _PIECE_BYTES
            self._unseen = 0

    def on_message_complete(self) -> None:
        """The body is whole."""
        if self._has_head and not self._is_whole:
            self._is_whole = True
            self._is_kept = self._parser.should_keep_alive()

    # Waiting

    async def _wait(self, what: Wait) -> None:
        """Wait for the head, some of the body, or all of it."""
        self._awaited = what
        self._active_at = self._loop.time()
        self._waiter = self._loop.create_future()
        self._watch()
        try:
            await self._waiter
        finally:
            self._waiter = None
        self._raise_fault()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if (
            self._is_whole
            or self._fault is not None
            or (self._awaited is Wait.HEAD and self._has_head)
            or (self._awaited is Wait.SOME and self._pieces)
        ):
            waiter.set_result(None)

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _joined(self) -> bytes:
        """Hand over all that is held, and read on."""
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._drop_pieces()
        return body

    def _drop_pieces(self) -> None:
        self._pieces.clear()
        self._held = 0
        self._resume()

    def _pause(self) -> None:
        transport = self._transport
        if not self._is_paused and transport is not None and not transport.is_closing():
            transport.pause_reading()
            self._is_paused = True

    def _resume(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _ends_by_close(self) -> bool:
        """Tell whether the head announced no other end of the body."""
        headers = self._head.headers
        coding = headers.get(_TRANSFER_ENCODING)
        if coding is not None:
            return b"chunked" not in coding.lower()
        return b"content-length" not in headers

    def _malformed(self) -> None:
        """Break off, unless the answer is whole: then there is only something behind it."""
        self._is_kept = False
        if not self._is_whole:
            self._break(IncompleteError() if self._has_head else MalformedError())

    def _break(self, fault: GetError) -> None:
        if self._fault is None:
            self._fault = fault
        self.abort()
        self._wake()

    # The clock: one timer, which looks when it goes off whether there is a reason

    def _watch(self) -> None:
        """See to it that the timer goes off in time."""
        due = self._deadline
        if self._silence_s is not None:
            quiet = self._active_at + self._silence_s
            due = quiet if due is None or quiet < due else due
        if due is not None:
            self._arm(due)

    def _arm(self, due: float) -> None:
        alarm = self._alarm
        if alarm is not None:
            if alarm.when() <= due:
                return
            alarm.cancel()
        self._alarm = self._loop.call_at(due, self._look)

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _look(self) -> None:
        """End what takes too long; what only seems so, because we stalled, gets a moment."""
        self._alarm = None
        if self._is_whole or self._fault is not None:
            return
        now = self._loop.time()
        if self._deadline is not None and now >= self._deadline:
            self._break(OverdueBodyError() if self._has_head else OverdueError())
        elif not self._is_silent(now):
            self._is_suspect = False
            self._watch()
        elif not self._is_suspect:
            self._is_suspect = True
            self._arm(now + _GRACE_S)
        else:
            self._break(SilentBodyError() if self._has_head else SilentError())

    def _is_silent(self, now: float) -> bool:
        """Tell whether somebody has waited too long for bytes; while nobody waits, time stands."""
        if self._waiter is None:
            self._active_at = now
        return self._silence_s is not None and now >= self._active_at + self._silence_s


def _parser(connection: Connection) -> httptools.HttpResponseParser:
    """Make a parser that takes what browsers take: folded headers, bare line feeds."""
    parser = httptools.HttpResponseParser(connection)
    parser.set_dangerous_leniencies(
        lenient_headers=True,
        lenient_optional_cr_before_lf=True,
        lenient_spaces_after_chunk_size=True,
    )
    return parser
