"""The broker on Apache Iggy, through its 0.8 SDK (extra `iggy`).

Every connect and every call has a deadline here, because the SDK has none. The SDK answers a send
without an offset; what else it lacks, `IggyCommands` asks of the server itself.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, Self, TypeVar

from apache_iggy import IggyClient, PollingStrategy, ReceiveMessage, SendMessage

from fetchbox.broker.iggy_commands import IggyCommands
from fetchbox.broker.iggy_connection import IggyConnection, IggyOptions
from fetchbox.broker.iggy_member import IggyMember
from fetchbox.broker.port import (
    BrokerUnavailableError,
    Message,
    PartitionSpan,
    Published,
    Subscription,
    TopicSpec,
)
from fetchbox.broker.streams import partition_of
from fetchbox.model.failure import FailureCode, fail
from fetchbox.telemetry.tracing import span

T = TypeVar("T")
_log = logging.getLogger(__name__)

#: How many of the newest messages are searched for one just sent.
_LOCATE_DEPTH: Final = 16


class IggyLink:
    """One connection, made when needed and closed when a call on it fails or is cancelled."""

    def __init__(self, options: IggyOptions) -> None:
        """Connect nothing yet."""
        self._options = options
        self._connection: IggyConnection | None = None
        self._client: IggyClient | None = None
        self._connecting = asyncio.Lock()

    async def call(self, what: str, ask: Callable[[IggyClient], Awaitable[T]]) -> T:
        """Run one call within the deadline, connecting included; raises BrokerUnavailableError."""
        client = None
        try:
            async with asyncio.timeout(self._options.call_timeout_ms / 1000):
                client = await self._connected()
                return await ask(client)
        except BaseException as error:
            if client is not None and self._client is client:
                self.close()  # an answer that nobody reads would be taken for the next call's
            if not isinstance(error, RuntimeError | TimeoutError):
                raise
            msg = f"iggy: {what} failed: {str(error) or 'no answer in time'}"
            raise BrokerUnavailableError(msg) from error

    async def _connected(self) -> IggyClient:
        async with self._connecting:
            if self._connection is None or self._connection.ended.is_set():
                self._connection = IggyConnection(self._options)
                self._client = None
            if self._client is None:
                self._client = await self._connection.open()
            return self._client

    def close(self) -> None:
        """Hang up; the next call connects again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._client = None


class IggyBroker:
    """Implements `port.Broker` on one stream of an Iggy server."""

    def __init__(self, options: IggyOptions) -> None:
        """Connect nothing yet: the first call does, and says what is wrong."""
        self._options = options
        self._stream = options.stream
        self._link = IggyLink(options)
        self._commands = IggyCommands(options)
        self._partitions: dict[str, int] = {}
        self._members: set[IggyMember] = set()

    async def __aenter__(self) -> Self:
        """Nothing to open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drop every connection; who is still subscribed gets nothing more."""
        self._link.close()
        self._commands.close()
        for member in self._members:
            member.abandon()

    async def ensure(self, topics: Sequence[TopicSpec]) -> Sequence[str]:
        """See `port.Broker.ensure`."""
        if (
            await self._link.call("get stream", lambda client: client.get_stream(self._stream))
            is None
        ):
            await self._link.call(
                "create stream", lambda client: client.create_stream(self._stream)
            )
        warnings = []
        for spec in topics:
            count = await self._count(spec.name)
            if count is None:
                await self._create(spec)
            for group in spec.groups:
                await self._commands.create_group(spec.name, group)
            if count is not None and count != spec.partitions:
                warnings.append(f"topic {spec.name} has {count} partitions, not {spec.partitions}")
        return warnings

    async def _create(self, spec: TopicSpec) -> None:
        expiry = timedelta(milliseconds=spec.retention_ms)
        await self._link.call(
            f"create topic {spec.name}",
            lambda client: client.create_topic(
                self._stream, spec.name, spec.partitions, message_expiry=expiry
            ),
        )

    async def publish(self, topic: str, key: str, payloads: Sequence[bytes]) -> Published:
        """See `port.Broker.publish`. A lone message is looked up for its offset, a batch is not.

        The outcome of a send on a broken connection is unknown, so it is sent once more, and a
        duplicate does no harm. Both share one deadline: more is left to the caller's retries.
        """
        partition = partition_of(key, await self._known_count(topic))
        if payloads:
            with span("publish", stream=topic, partition=partition):
                await self._insist(topic, partition, payloads)
        offset = await self._locate(topic, partition, payloads[0]) if len(payloads) == 1 else None
        return Published(partition, offset)

    async def _insist(self, topic: str, partition: int, payloads: Sequence[bytes]) -> None:
        try:
            async with asyncio.timeout(self._options.call_timeout_ms / 1000):
                try:
                    await self._send(topic, partition, payloads)
                except BrokerUnavailableError as error:
                    _log.info("sending again", extra={"topic": topic, "reason": str(error)})
                    await self._send(topic, partition, payloads)
        except TimeoutError as error:
            msg = f"iggy: send to {topic} failed: no answer in time"
            raise BrokerUnavailableError(msg) from error

    async def _send(self, topic: str, partition: int, payloads: Sequence[bytes]) -> None:
        messages = [SendMessage(payload) for payload in payloads]
        await self._link.call(
            f"send to {topic}",
            lambda client: client.send_messages(self._stream, topic, partition, messages),
        )

    async def _locate(self, topic: str, partition: int, payload: bytes) -> int | None:
        newest = await self._poll(topic, partition, PollingStrategy.Last(), _LOCATE_DEPTH)
        found = [message.offset() for message in newest if message.payload() == payload]
        return found[-1] if found else None

    @asynccontextmanager
    async def subscribe(
        self, topic: str, group: str, *, window: int
    ) -> AsyncIterator[Subscription]:
        """See `port.Broker.subscribe`. Each member has a connection of its own, as Iggy wants."""
        await self._known_count(topic)
        member = IggyMember(self._options, self._commands, topic, group, window=window)
        self._members.add(member)
        try:
            async with member.joined():
                yield member
        finally:
            self._members.discard(member)

    async def read(
        self, topic: str, partition: int, offset: int, *, limit: int = 1000
    ) -> AsyncIterator[Message]:
        """See `port.Broker.read`."""
        count = await self._count(topic)
        if count is None or not 0 <= partition < count:
            return
        newest = await self._poll(topic, partition, PollingStrategy.Last(), 1)
        end = newest[0].offset() + 1 if newest else 0
        while limit > 0 and offset < end:
            strategy = PollingStrategy.Offset(offset)
            messages = await self._poll(topic, partition, strategy, min(limit, end - offset, 1000))
            if not messages:
                return
            for message in messages:
                yield Message(partition, message.offset(), message.payload())
            limit -= len(messages)
            offset = messages[-1].offset() + 1

    async def describe(self, topic: str) -> Sequence[PartitionSpan]:
        """See `port.Broker.describe`."""
        count = await self._count(topic)
        groups = await self._commands.groups(topic) if count else ()
        return [await self._span(topic, partition, groups) for partition in range(count or 0)]

    async def _span(self, topic: str, partition: int, groups: Sequence[str]) -> PartitionSpan:
        last = await self._poll(topic, partition, PollingStrategy.Last(), 1)
        first = await self._poll(topic, partition, PollingStrategy.First(), 1) if last else []
        stored = {
            group: await self._commands.committed(topic, group, partition) for group in groups
        }
        return PartitionSpan(
            partition=partition,
            first=first[0].offset() if first else 0,
            next=last[0].offset() + 1 if last else 0,
            committed={group: offset for group, offset in stored.items() if offset is not None},
        )

    async def purge(self, topic: str) -> None:
        """See `port.Broker.purge`. Iggy starts at offset 0 again.

        So a topic that a group reads is refused: its members would take new messages for old ones.
        """
        if await self._count(topic) is None:
            return
        if groups := await self._commands.groups(topic):
            msg = f"topic {topic} is read by {', '.join(groups)}; only a topic without groups can"
            raise fail(FailureCode.SYSTEM_INTERNAL, f"{msg} be purged on Iggy", topic=topic)
        await self._commands.purge(topic)

    async def _poll(
        self, topic: str, partition: int, strategy: PollingStrategy, count: int
    ) -> list[ReceiveMessage]:
        return await self._link.call(
            f"poll {topic}",
            lambda client: client.poll_messages(
                self._stream, topic, partition, strategy, count, auto_commit=False
            ),
        )

    async def _known_count(self, topic: str) -> int:
        """Return the partition count, asked once per topic; an unknown topic is refused."""
        count = self._partitions.get(topic)
        if count is None:
            count = await self._count(topic)
        if count is None:
            msg = f"iggy: no topic {topic} yet; the API creates it if broker.auto_provision is on"
            raise BrokerUnavailableError(msg)
        self._partitions[topic] = count
        return count

    async def _count(self, topic: str) -> int | None:
        """Ask the server how many partitions a topic has, None when it does not exist."""
        if (
            await self._link.call("get stream", lambda client: client.get_stream(self._stream))
            is None
        ):
            return None
        details = await self._link.call(
            f"get topic {topic}", lambda client: client.get_topic(self._stream, topic)
        )
        return None if details is None else details.partitions_count
