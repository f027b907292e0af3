"""Tasks are settled as they are handed out, before their object is stored."""

from collections.abc import Sequence
from typing import Any, Final

from fetchbox.broker.port import Message
from fetchbox.broker.streams import TASKS

SEAM: Final = "fetchbox.broker.sqlite_subscription:SqliteSubscription.next"
KILLED_BY: Final = (
    "tests/integration/test_crashes.py::test_another_worker_takes_over_from_a_killed_one"
)


def mutate(original: Any) -> Any:
    async def next_settled(self: Any) -> Sequence[Message]:
        messages: Sequence[Message] = await original(self)
        if self.member.topic == TASKS:
            await self.settle(messages)
        return messages

    return next_settled
