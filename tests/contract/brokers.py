"""The brokers that the contract suite is run on, with the levers it needs: one Stack per adapter.

A further adapter is one more entry in STACKS.
"""

import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import pytest

from fetchbox.broker.iggy import IggyBroker
from fetchbox.broker.iggy_connection import IggyOptions
from fetchbox.broker.port import Broker
from fetchbox.broker.sqlite import SqliteBroker
from tests.fakes.broker import FakeBroker
from tests.fakes.log import FakeLog

#: Short, so that a dead member is noticed within a test; a stall of a busy machine is shorter.
LEASE_MS: Final = 1000


class Stack(Protocol):
    """One log that outlives the brokers opened on it."""

    #: `publish` tells the offset of a batch, not only that of a lone message.
    tells_offsets: bool
    #: Offsets grow on after a purge; they start at 0 again where not.
    purge_keeps_offsets: bool

    async def open(self, poll_interval_ms: int = 10) -> Broker:
        """Connect as one more process would."""
        ...

    async def close(self, broker: Broker) -> None:
        """End a process the polite way."""
        ...

    async def kill(self, broker: Broker) -> None:
        """End a process without a word to its groups."""
        ...


@dataclass
class FakeStack:
    log: FakeLog = field(default_factory=FakeLog)
    tells_offsets: bool = True
    purge_keeps_offsets: bool = True

    async def open(self, poll_interval_ms: int = 10) -> FakeBroker:  # noqa: ARG002  # never polls
        return FakeBroker(self.log)

    async def close(self, broker: Broker) -> None:
        assert isinstance(broker, FakeBroker)
        for subscription in broker.subscriptions:
            broker.leave(subscription)

    async def kill(self, broker: Broker) -> None:
        await self.close(broker)


@dataclass
class SqliteStack:
    path: Path
    exits: AsyncExitStack
    tells_offsets: bool = True
    purge_keeps_offsets: bool = True

    async def open(self, poll_interval_ms: int = 10) -> SqliteBroker:
        broker = SqliteBroker(
            path=self.path, lease_ms=LEASE_MS, poll_interval_ms=poll_interval_ms, clock=now_ms
        )
        return await self.exits.enter_async_context(broker)

    async def close(self, broker: Broker) -> None:
        assert isinstance(broker, SqliteBroker)
        for subscription in list(broker._subscriptions):
            await subscription.leave()
        await broker.__aexit__()

    async def kill(self, broker: Broker) -> None:
        assert isinstance(broker, SqliteBroker)
        for subscription in broker._subscriptions:
            subscription.abandon()
        await broker.__aexit__()


@dataclass
class IggyStack:
    """A stream of its own on the server named by FETCHBOX_TEST_IGGY (user:password@host:port)."""

    address: str
    exits: AsyncExitStack
    tells_offsets: bool = False
    purge_keeps_offsets: bool = False
    stream: str = field(default_factory=lambda: f"contract-{time.time_ns()}")

    async def open(self, poll_interval_ms: int = 10) -> IggyBroker:
        credentials, _, endpoint = self.address.rpartition("@")
        username, _, password = credentials.partition(":")
        options = IggyOptions(
            endpoint=endpoint,
            username=username,
            password=password,
            stream=self.stream,
            poll_interval_ms=poll_interval_ms,
        )
        return await self.exits.enter_async_context(IggyBroker(options))

    async def close(self, broker: Broker) -> None:
        assert isinstance(broker, IggyBroker)
        await broker.__aexit__()

    async def kill(self, broker: Broker) -> None:
        await self.close(broker)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def fake_stack(_folder: Path) -> AsyncIterator[Stack]:
    yield FakeStack()


@asynccontextmanager
async def sqlite_stack(folder: Path) -> AsyncIterator[Stack]:
    async with AsyncExitStack() as exits:
        yield SqliteStack(folder / "broker.db", exits)


@asynccontextmanager
async def iggy_stack(_folder: Path) -> AsyncIterator[Stack]:
    address = os.environ.get("FETCHBOX_TEST_IGGY")
    if not address:
        pytest.skip("needs an Iggy server: set FETCHBOX_TEST_IGGY=user:password@host:port")
    async with AsyncExitStack() as exits:
        yield IggyStack(address, exits)


STACKS: Final[Mapping[str, Callable[[Path], AbstractAsyncContextManager[Stack]]]] = {
    "fake": fake_stack,
    "sqlite": sqlite_stack,
    "iggy": iggy_stack,
}
