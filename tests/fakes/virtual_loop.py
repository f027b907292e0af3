"""An event loop whose clock jumps to the next timer: minutes of waiting take no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs timers in their order. No sockets, no threads."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.now = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Return the virtual seconds."""
        return self.now

    def work(self, seconds: float) -> None:
        """Do as a callback does that keeps the CPU to itself."""
        self.now += seconds


class _Jumping(selectors.SelectSelector):
    """Lets time pass where others would wait for it."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            msg = "nothing is left that could ever happen"
            raise RuntimeError(msg)
        self._loop.now += max(timeout, 0)
        return []


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def virtual_loop() -> VirtualLoop:
    """Return the loop that runs; for fakes that want to use its time up."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop
