"""The broker port: a partitioned, append-only log with consumer groups.

Delivery is at least once. Messages of one key keep their order, because a key maps to one
partition. Every adapter and the fake pass `tests/contract/test_broker_contract.py`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from fetchbox.model.failure import FailureCode, FetchBoxError, failure


class BrokerUnavailableError(FetchBoxError):
    """The broker could not be reached or did not answer in time; the caller may try again."""

    def __init__(self, message: str) -> None:
        """Say what was tried; never with credentials."""
        super().__init__(failure(FailureCode.SYSTEM_QUEUE_UNAVAILABLE, message))


@dataclass(frozen=True, slots=True)
class Message:
    """One record of a partition."""

    partition: int
    offset: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Published:
    """Where a batch went; `offset` is its first message's, None where the broker cannot tell."""

    partition: int
    offset: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """What provisioning asks for; `retention_ms` is the age at which messages may be dropped."""

    name: str
    partitions: int
    retention_ms: int
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionSpan:
    """What a partition holds: offsets from `first` up to, not including, `next`.

    `committed` maps a group to the offset it will resume at; absent = never committed.
    """

    partition: int
    first: int
    next: int
    committed: Mapping[str, int]


class Subscription(Protocol):
    """One member of a consumer group. Used by one task; `settle` may be called from others."""

    async def next(self) -> Sequence[Message]:
        """Wait for messages and return some of them, in offset order per partition.

        Blocks while nothing new is there or while the read-ahead window is full: per partition, at
        most `window` delivered messages are unsettled, and what is delivered reaches at most
        `watermark.OVERTAKING` windows beyond the committed offset. A message is not delivered
        twice to the same member while it holds the partition. Raises
        BrokerUnavailableError; calling again resumes.
        """
        ...

    async def settle(self, messages: Sequence[Message]) -> None:
        """Mark messages as done and commit each partition up to its contiguous settled run.

        Durable when it returns. Messages of a partition lost to another member are ignored.
        Never commits past an unsettled message. Raises BrokerUnavailableError; the marks are kept
        and the next settle commits them too.
        """
        ...


class Broker(Protocol):
    """The log as rooms see it."""

    async def ensure(self, topics: Sequence[TopicSpec]) -> Sequence[str]:
        """Create what is missing; return warnings, e.g. a topic with another partition count."""
        ...

    async def publish(self, topic: str, key: str, payloads: Sequence[bytes]) -> Published:
        """Append a batch, durably, to the partition of `key`, in order and without interleaving.

        Payloads are not empty.
        """
        ...

    def subscribe(
        self, topic: str, group: str, *, window: int
    ) -> AbstractAsyncContextManager[Subscription]:
        """Join a group, starting at its committed offsets, or at the earliest message.

        Partitions are shared among the members of a group over all processes and move when
        members come and go; leaving the context releases them.
        """
        ...

    def read(
        self, topic: str, partition: int, offset: int, *, limit: int = 1000
    ) -> AsyncIterator[Message]:
        """Yield up to `limit` messages from `offset` on, up to the end seen now. Moves no group."""
        ...

    async def describe(self, topic: str) -> Sequence[PartitionSpan]:
        """Tell what each partition holds; also the health probe. Unknown topic: empty."""
        ...

    async def purge(self, topic: str) -> None:
        """Delete every message of a topic; offsets are not reused where the broker can help it."""
        ...
