"""Rounds: at most one run of an operation under way; calls made meanwhile share the next run."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class Rounds(Generic[T]):
    """Turns many calls into few runs, each starting after the calls it answers."""

    def __init__(
        self,
        run: Callable[[], asyncio.Future[T]],
        ended: Callable[[asyncio.Future[T]], None],
    ) -> None:
        """`run` starts a run; `ended` sees its result or error before any caller does."""
        self._run = run
        self._ended = ended
        self._next: asyncio.Future[None] | None = None
        self._is_running = False

    def join(self) -> asyncio.Future[None]:
        """Ask for a run that starts from now on. Wait for it through `asyncio.shield`."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        joined = self._next
        if not self._is_running:
            self._begin(joined)
        return joined

    def _begin(self, joined: asyncio.Future[None]) -> None:
        self._next = None
        self._is_running = True
        self._run().add_done_callback(partial(self._end, joined))

    def _end(self, joined: asyncio.Future[None], done: asyncio.Future[T]) -> None:
        self._is_running = False
        self._ended(done)
        if (error := done.exception()) is None:
            joined.set_result(None)
        else:
            joined.set_exception(error)
            joined.exception()  # Not every round has someone waiting: no complaint about that.
        if self._next is not None and not self._is_running:
            self._begin(self._next)
