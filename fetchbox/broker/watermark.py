"""How far a partition may be committed when its messages are settled out of order.

Pure: no I/O, no clock. Offsets may have gaps (retention, purge), but only ever grow.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

#: How many windows a message that is slow may be overtaken by before its partition waits for it.
OVERTAKING: Final = 16


class Watermark:
    """What one member was handed of one partition and has not yet finished, in offset order."""

    __slots__ = ("_delivered", "_open", "next")

    def __init__(self, start: int) -> None:
        """Begin at `start`, the offset the group resumes at."""
        self.next = start
        self._delivered: deque[int] = deque()
        self._open: set[int] = set()

    @property
    def committable(self) -> int:
        """The offset to resume at: the first one not settled, else the next one to deliver."""
        return self._delivered[0] if self._delivered else self.next

    @property
    def ahead(self) -> int:
        """How many delivered messages lie at or beyond the committable offset."""
        return len(self._delivered)

    @property
    def open(self) -> int:
        """How many delivered messages are not settled."""
        return len(self._open)

    def room(self, window: int) -> int:
        """Tell how many more may be handed out: `window` open ones, OVERTAKING windows in all."""
        return max(0, min(window - self.open, OVERTAKING * window - self.ahead))

    def deliver(self, offsets: Iterable[int]) -> None:
        """Note messages as handed out; `offsets` grow, from `next` on."""
        for offset in offsets:
            self._delivered.append(offset)
            self._open.add(offset)
            self.next = offset + 1

    def settle(self, offsets: Iterable[int]) -> None:
        """Note messages as done; what was never delivered, or was settled before, is ignored."""
        self._open.difference_update(offsets)
        while self._delivered and self._delivered[0] not in self._open:
            self._delivered.popleft()
