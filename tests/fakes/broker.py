"""The broker in memory: the whole port, without leases and disk."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fetchbox.broker.port import Message, PartitionSpan, Published, TopicSpec
from fetchbox.broker.streams import partition_of
from fetchbox.telemetry.tracing import span
from tests.fakes.log import FakeLog, FakeSubscription


class FakeBroker:
    """Lever: `fail_next`. For asserts: `payloads`, and `log.committed[topic, group]`."""

    def __init__(self, log: FakeLog | None = None) -> None:
        self.log = log or FakeLog()
        self.subscriptions: list[FakeSubscription] = []
        self.failures: list[Exception] = []

    def fail_next(self, *errors: Exception) -> None:
        """Raise these, in turn, from the next calls, `next` and `settle` included."""
        self.failures.extend(errors)

    def payloads(self, topic: str) -> list[bytes]:
        """Everything ever published to `topic`, partition by partition."""
        return [message.payload for partition in self.log.topics[topic] for message in partition]

    def check(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    async def ensure(self, topics: Sequence[TopicSpec]) -> Sequence[str]:
        self.check()
        for spec in topics:
            self.log.topics.setdefault(spec.name, [[] for _ in range(spec.partitions)])
        found = [(spec, len(self.log.topics[spec.name])) for spec in topics]
        return [
            f"topic {spec.name} has {count} partitions, not {spec.partitions}"
            for spec, count in found
            if count != spec.partitions
        ]

    async def publish(self, topic: str, key: str, payloads: Sequence[bytes]) -> Published:
        self.check()
        partitions = self.log.partitions(topic)
        number = partition_of(key, len(partitions))
        first = len(partitions[number])
        partitions[number] += [
            Message(number, offset, payload) for offset, payload in enumerate(payloads, first)
        ]
        self.log.stir(topic)
        with span("publish", stream=topic, partition=number):
            return Published(number, first)

    @asynccontextmanager
    async def subscribe(
        self, topic: str, group: str, *, window: int
    ) -> AsyncIterator[FakeSubscription]:
        self.check()
        self.log.partitions(topic)
        subscription = FakeSubscription(self.log, (topic, group), window, self.check)
        self.log.members[topic, group].append(subscription)
        self.subscriptions.append(subscription)
        self.log.deal((topic, group))
        try:
            yield subscription
        finally:
            self.leave(subscription)

    def leave(self, subscription: FakeSubscription) -> None:
        """Drop a member, politely or not; harmless to repeat."""
        subscription.marks = {}
        members = self.log.members[subscription.group]
        if subscription in members:
            members.remove(subscription)
        self.log.deal(subscription.group)

    async def read(
        self, topic: str, partition: int, offset: int, *, limit: int = 1000
    ) -> AsyncIterator[Message]:
        self.check()
        start = max(offset, self.log.first[topic, partition])
        for number, messages in enumerate(self.log.topics.get(topic, [])):
            for message in messages[start : start + limit] if number == partition else ():
                yield message

    async def describe(self, topic: str) -> Sequence[PartitionSpan]:
        self.check()
        groups = {group: at for (name, group), at in self.log.committed.items() if name == topic}
        return [
            PartitionSpan(
                partition=number,
                first=self.log.first[topic, number],
                next=len(messages),
                committed={group: at[number] for group, at in groups.items() if number in at},
            )
            for number, messages in enumerate(self.log.topics.get(topic, []))
        ]

    async def purge(self, topic: str) -> None:
        self.check()
        for number, messages in enumerate(self.log.topics.get(topic, [])):
            self.log.first[topic, number] = len(messages)
