"""What outlives a FakeBroker: messages, committed offsets, and who is in which group."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

from fetchbox.broker.port import BrokerUnavailableError, Message
from fetchbox.broker.watermark import Watermark

Group = tuple[str, str]


class FakeLog:
    """Hand one to several brokers to play several processes. An offset is a place in a list."""

    def __init__(self) -> None:
        self.topics: dict[str, list[list[Message]]] = {}
        self.first: dict[tuple[str, int], int] = defaultdict(int)
        self.committed: dict[Group, dict[int, int]] = defaultdict(dict)
        self.members: dict[Group, list[FakeSubscription]] = defaultdict(list)

    def partitions(self, topic: str) -> list[list[Message]]:
        if topic not in self.topics:
            raise BrokerUnavailableError(f"topic {topic} does not exist")
        return self.topics[topic]

    def deal(self, group: Group) -> None:
        """Deal the partitions to the members, each keeping what it already reads."""
        members = self.members[group]
        for turn, member in enumerate(members):
            mine = range(turn, len(self.partitions(group[0])), len(members))
            start = self.committed[group]
            member.marks = {n: member.marks.get(n) or Watermark(start.get(n, 0)) for n in mine}
            member.stirred.set()

    def stir(self, topic: str) -> None:
        for (name, _), members in self.members.items():
            for member in members if name == topic else ():
                member.stirred.set()


class FakeSubscription:
    """One member; `check` raises the fault that is due."""

    def __init__(self, log: FakeLog, group: Group, window: int, check: Callable[[], None]) -> None:
        self.log, self.group, self.window, self.check = log, group, window, check
        self.marks: dict[int, Watermark] = {}
        self.stirred = asyncio.Event()

    async def next(self) -> Sequence[Message]:
        while True:
            self.check()
            self.stirred.clear()
            if found := [message for number in self.marks for message in self._take(number)]:
                return found
            await self.stirred.wait()

    def _take(self, number: int) -> Sequence[Message]:
        mark = self.marks[number]
        start = max(mark.next, self.log.first[self.group[0], number])
        end = start + mark.room(self.window)
        found = self.log.topics[self.group[0]][number][start:end]
        mark.deliver(message.offset for message in found)
        return found

    async def settle(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if mark := self.marks.get(message.partition):
                mark.settle([message.offset])
        self.check()
        committed = self.log.committed[self.group]
        for number, mark in self.marks.items():
            if mark.committable > committed.get(number, 0):
                committed[number] = mark.committable
        self.stirred.set()
