"""One member of an Iggy consumer group: reads ahead through the SDK, commits by watermark.

Two consumers share the member's connection, because the SDK locks one for as long as it waits for
a message: `reader` is in the group, `writer` stores offsets. The server refuses offsets of a
partition the member does not own. A poll restarts after the stored offset; what comes again is
dropped here.

The SDK pauses between any two polls of the group. So its polls only tell which partitions have
something new; such a partition is then followed to its end by polls of our own, without a pause.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from apache_iggy import AutoCommit, IggyClient, IggyConsumer, PollingStrategy, ReceiveMessage

from fetchbox.broker.iggy_commands import IggyCommands, RefusedError
from fetchbox.broker.iggy_connection import IggyConnection, IggyOptions
from fetchbox.broker.port import BrokerUnavailableError, Message
from fetchbox.broker.watermark import Watermark

_log = logging.getLogger(__name__)

#: How often the connection is tested and what is left uncommitted is tried again.
_BEAT_S: Final = 2.0
_RECONNECT_CAP_S: Final = 2.0
#: What the server says about an offset of a partition that belongs to another member.
_NOT_OWNED: Final = ("notresolvedconsumer", "membernotfound")


@dataclass(slots=True)
class _Claim:
    """What was handed out of one partition, from `start` on, and what was stored of it.

    `is_lost`: another member owns the partition. What is open here stays noted, because the SDK
    does not hand it out a second time when the partition returns. `follower` reads it on.
    """

    watermark: Watermark
    start: int
    stored: int | None = None
    is_lost: bool = False
    follower: asyncio.Task[None] | None = None

    @property
    def is_behind(self) -> bool:
        reached = self.start if self.stored is None else self.stored
        return not self.is_lost and self.watermark.committable > reached


class IggyMember:
    """Implements `port.Subscription`."""

    def __init__(
        self, options: IggyOptions, commands: IggyCommands, topic: str, group: str, *, window: int
    ) -> None:
        """Join nothing yet."""
        self.topic = topic
        self.group = group
        self._options = options
        self._commands = commands
        self._window = window
        self._timeout_s = options.call_timeout_ms / 1000
        self._connection = IggyConnection(options)
        self._client: IggyClient | None = None
        self._reader: IggyConsumer | None = None
        self._writer: IggyConsumer | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._running: list[asyncio.Task[None]] = []
        self._claims: dict[int, _Claim] = {}
        self._arrived: deque[Message] = deque()
        self._outage: str | None = None
        self._stirred = asyncio.Event()
        self._settled = asyncio.Event()
        self._committing = asyncio.Lock()

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Be a member for as long as the context lasts; what its body raises comes out as it is."""
        self._reader = await self._join()
        failure: Exception | None = None
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._running = [
                tasks.create_task(self._keep_reading()),
                tasks.create_task(self._keep_committing()),
            ]
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised again, not in a group
                failure = error
            finally:
                self.abandon()
        if failure is not None:
            raise failure

    def abandon(self) -> None:
        """Leave the group: the server notices that the connection is gone."""
        self._tasks = None
        for task in self._running:
            task.cancel()
        self._claims.clear()
        self._hang_up()

    async def next(self) -> Sequence[Message]:
        """See `port.Subscription.next`. Tells a lost connection once; reading resumes by itself."""
        while not self._arrived:
            if (reason := self._outage) is not None:
                self._outage = None
                raise BrokerUnavailableError(reason)
            self._stirred.clear()
            await self._stirred.wait()
        messages = list(self._arrived)
        self._arrived.clear()
        return messages

    async def settle(self, messages: Sequence[Message]) -> None:
        """See `port.Subscription.settle`."""
        for message in messages:
            if claim := self._claims.get(message.partition):
                claim.watermark.settle([message.offset])
        self._settled.set()
        await self._commit()

    # Reading.

    async def _join(self) -> IggyConsumer:
        self._connection = IggyConnection(self._options)
        self._client = await self._connection.open()
        async with asyncio.timeout(self._timeout_s):
            reader = await self._consumer(self._client, joins=True)
            self._writer = await self._consumer(self._client, joins=False)
        await self._even_out()
        return reader

    async def _even_out(self) -> None:
        """Take a fair share; if that cannot be, an unfair one will do."""
        facts = {"topic": self.topic, "group": self.group}
        try:
            if await self._commands.even_out(self.topic, self.group):
                _log.info("shared the partitions anew", extra=facts)
        except (BrokerUnavailableError, RefusedError) as error:
            _log.warning("partitions may be shared unevenly", extra={**facts, "reason": str(error)})

    def _hang_up(self) -> None:
        self._connection.close()
        self._reader = self._writer = self._client = None

    def _consumer(self, client: IggyClient, *, joins: bool) -> Awaitable[IggyConsumer]:
        return client.consumer_group(
            self.group,
            self._options.stream,
            self.topic,
            polling_strategy=PollingStrategy.Next(),
            batch_length=self._window,
            auto_commit=AutoCommit.Disabled(),
            create_consumer_group_if_not_exists=joins,
            auto_join_consumer_group=joins,
            poll_interval=timedelta(milliseconds=self._options.poll_interval_ms),
            polling_retry_interval=timedelta(milliseconds=100),
        )

    async def _keep_reading(self) -> None:
        """Read until cancelled, over any number of connections."""
        delay_s = 0.1
        while True:
            try:
                self._reader = self._reader or await self._join()
                await self._read_until_broken(self._reader)
                self._tell_outage()
                delay_s = 0.1
            except (RuntimeError, TimeoutError, BrokerUnavailableError) as error:
                extra = {"topic": self.topic, "group": self.group, "reason": str(error)}
                _log.warning("rejoining the consumer group", extra=extra)
            self._hang_up()
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _RECONNECT_CAP_S)

    def _tell_outage(self) -> None:
        self._outage = f"iggy: the connection to {self._options.endpoint} was lost"
        self._stirred.set()

    async def _read_until_broken(self, reader: IggyConsumer) -> None:
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._read(reader))
            await self._connection.ended.wait()
            reading.cancel()

    async def _read(self, reader: IggyConsumer) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._notice(reader, tasks)
        except* (RuntimeError, TimeoutError) as errors:
            reasons = "; ".join(str(error) or "no answer in time" for error in errors.exceptions)
            _log.warning("iggy stopped delivering", extra={"reason": reasons})
        self._connection.close()

    async def _notice(self, reader: IggyConsumer, tasks: asyncio.TaskGroup) -> None:
        """Have every partition followed that has news; ends only by an error, as followers do."""
        async for message in reader.iter_messages():
            claim = self._take(message)
            claim.is_lost = False
            if claim.follower is None or claim.follower.done():
                claim.follower = tasks.create_task(self._follow(message.partition_id()))
        msg = "there are no more messages, it says"
        raise RuntimeError(msg)

    async def _follow(self, partition: int) -> None:
        """Read on where a partition was left off, until it has nothing more or is lost."""
        while (client := self._client) is not None:
            claim = self._claims[partition]
            room = claim.watermark.room(self._window)
            if claim.is_lost:
                return
            if not room:
                self._settled.clear()
                await self._settled.wait()
                continue
            async with asyncio.timeout(self._timeout_s):
                messages = await client.poll_messages(
                    self._options.stream,
                    self.topic,
                    partition,
                    PollingStrategy.Offset(claim.watermark.next),
                    room,
                    auto_commit=False,
                )
            if not messages:
                if claim.watermark.ahead < self._window:  # else polls of the group end before news
                    return
                await asyncio.sleep(self._options.poll_interval_ms / 1000)
            for message in messages:
                self._take(message)

    def _take(self, received: ReceiveMessage) -> _Claim:
        """Keep what was not handed out before; return the claim it belongs to."""
        partition, offset = received.partition_id(), received.offset()
        claim = self._claims.get(partition)
        if claim is None or offset > claim.watermark.next:
            # A gap: another member has committed what is open here, or retention took it.
            claim = self._claims[partition] = _Claim(Watermark(offset), offset)
        if offset == claim.watermark.next:
            claim.watermark.deliver([offset])
            self._arrived.append(Message(partition, offset, received.payload()))
            self._stirred.set()
        return claim

    # Committing.

    async def _keep_committing(self) -> None:
        """Notice a dead connection, and commit what an earlier failure left behind."""
        while True:
            await asyncio.sleep(_BEAT_S)
            try:
                if (client := self._client) is not None:
                    async with asyncio.timeout(self._timeout_s):
                        await client.ping()
                    await self._commit()
            except (RuntimeError, TimeoutError, BrokerUnavailableError):
                self._connection.close()

    async def _commit(self) -> None:
        """Store what is behind, to the end even if the caller is cancelled.

        Half a call would leave its answer on the connection, for the next call to take as its own.
        """
        if self._tasks is not None:
            storing = self._tasks.create_task(self._store_all())
            if error := await asyncio.shield(storing):
                raise error

    async def _store_all(self) -> BrokerUnavailableError | None:
        async with self._committing:
            try:
                for partition, claim in list(self._behind()):
                    await self._store(partition, claim)
            except BrokerUnavailableError as error:
                return error
        return None

    def _behind(self) -> Iterable[tuple[int, _Claim]]:
        return (each for each in self._claims.items() if each[1].is_behind)

    async def _store(self, partition: int, claim: _Claim) -> None:
        if (writer := self._writer) is None:
            msg = "iggy: the connection is down; the offset is stored when it is back"
            raise BrokerUnavailableError(msg)
        resume_at = claim.watermark.committable
        try:
            async with asyncio.timeout(self._timeout_s):
                await writer.store_offset(resume_at - 1, partition)
        except (RuntimeError, TimeoutError) as error:
            self._judge(claim, error)
        else:
            claim.stored = resume_at

    def _judge(self, claim: _Claim, error: Exception) -> None:
        """Tell a lost partition, which is no fault, from a lost connection."""
        text = str(error).lower()
        if any(hint in text for hint in _NOT_OWNED):
            claim.is_lost = True
            return
        self._connection.close()
        msg = f"iggy: storing an offset failed: {text or 'no answer in time'}"
        raise BrokerUnavailableError(msg) from error
