"""The connections that are kept open for the next request to the same origin by the same proxy.

One that the server closes in the moment of use is a failed attempt: it is not tried again here.
"""

import asyncio
from collections import defaultdict
from typing import Final

from fetchbox.fetch.connection import Connection
from fetchbox.fetch.dial import Dialer, Line
from fetchbox.fetch.errors import ConnectTimeoutError, OverdueError

#: Less than the idle timeout of common servers (5 s), so that we close first: a server that closes
#: in the moment of reuse costs an attempt.
KEEP_ALIVE_S: Final = 4.0
#: How exactly that is kept.
_SWEEP_S: Final = 0.2


class Lease:
    """A connection in use, until `end`."""

    __slots__ = ("_line", "_pool", "connection")

    def __init__(self, pool: "Pool", line: Line, connection: Connection) -> None:
        """Hold it."""
        self.connection = connection
        self._pool: Pool | None = pool
        self._line = line

    def end(self) -> None:
        """Give it back, once."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.give(self._line, self.connection)


class Pool:
    """At most `limit` connections in use at once; others wait their turn."""

    def __init__(self, dialer: Dialer, limit: int, connect_timeout_s: float | None) -> None:
        """`connect_timeout_s` limits waiting and connecting together."""
        self._dialer = dialer
        self._connect_timeout_s = connect_timeout_s
        self._slots = asyncio.Semaphore(limit)
        self._idle: defaultdict[Line, list[Connection]] = defaultdict(list)
        #: All of them, the longest idle first.
        self._resting: dict[Connection, Line] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._used: set[Connection] = set()
        self._is_closed = False

    async def take(self, line: Line, deadline: float | None) -> Connection:
        """Return a connection of one's own; raises GetError."""
        if not self._slots.locked() and (kept := self._kept(line)) is not None:
            await self._slots.acquire()
        else:
            kept = await self._in_time(line, deadline)
        self._used.add(kept)
        return kept

    def give(self, line: Line, connection: Connection) -> None:
        """Take a connection back: keep it if it may serve again."""
        self._used.discard(connection)
        self._slots.release()
        if self._is_closed or not connection.is_reusable:
            connection.abort()
            return
        connection.rest()
        self._idle[line].append(connection)
        self._resting[connection] = line
        if self._sweep is None:
            self._sweep_at(connection.idle_since + KEEP_ALIVE_S)

    def close(self) -> None:
        """End all of them."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in [*self._resting, *self._used]:
            connection.abort()
        self._idle.clear()
        self._resting.clear()
        self._dialer.close()

    async def _in_time(self, line: Line, deadline: float | None) -> Connection:
        now = asyncio.get_running_loop().time()
        due = None if self._connect_timeout_s is None else now + self._connect_timeout_s
        is_overdue = deadline is not None and (due is None or deadline < due)
        try:
            async with asyncio.timeout_at(deadline if is_overdue else due):
                await self._slots.acquire()
                try:
                    return self._kept(line) or await self._dialer.dial(line)
                except BaseException:
                    self._slots.release()
                    raise
        except TimeoutError:
            raise OverdueError if is_overdue else ConnectTimeoutError(is_proxys=True) from None

    def _kept(self, line: Line) -> Connection | None:
        """Return the connection used last, which is the likeliest to stand."""
        kept = self._idle.get(line)
        while kept:
            connection = kept[-1]
            self._forget(connection)
            if connection.is_reusable:
                return connection
            connection.abort()
        return None

    def _forget(self, connection: Connection) -> None:
        line = self._resting.pop(connection)
        kept = self._idle[line]
        kept.remove(connection)
        if not kept:
            del self._idle[line]

    def _sweep_at(self, when: float) -> None:
        self._sweep = asyncio.get_running_loop().call_at(when, self._end_oldest)

    def _end_oldest(self) -> None:
        """End those that have been idle for too long."""
        self._sweep = None
        now = asyncio.get_running_loop().time()
        for connection in list(self._resting):
            due = connection.idle_since + KEEP_ALIVE_S
            if due > now:
                self._sweep_at(max(due, now + _SWEEP_S))
                return
            self._forget(connection)
            connection.abort()
