"""The commands against a server that answers as told: no Iggy is needed for the frames."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from fetchbox.broker.iggy_commands import IggyCommands, RefusedError
from fetchbox.broker.iggy_connection import IggyOptions
from fetchbox.broker.port import BrokerUnavailableError

LOGIN, GET_OFFSET, PURGE, GET_GROUP, GET_GROUPS = 38, 120, 305, 600, 601
CREATE_GROUP, JOIN, LEAVE = 602, 604, 605
TOPIC = b"\x02\x01s" + b"\x02\x01t"
GROUP = b"\x02\x01g"


def group(name: str, *shares: int) -> bytes:
    head = struct.pack("<IIIB", 1, 8, len(shares), len(name)) + name.encode()
    members = [
        struct.pack("<II", number, share) + bytes(4 * share) for number, share in enumerate(shares)
    ]
    return head + b"".join(members)


@dataclass
class Server:
    """Answers by command code with (status, payload); `silent` codes get none, `cut` hang up."""

    answers: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)
    cut: list[int] = field(default_factory=list)
    asked: list[tuple[int, bytes]] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length, code = struct.unpack("<II", await reader.readexactly(8))
                self.asked.append((code, await reader.readexactly(length - 4)))
                if code in self.cut:
                    self.cut.remove(code)
                    return
                if code not in self.silent:
                    status, payload = self.answers.get(code, (0, b""))
                    writer.write(struct.pack("<II", status, len(payload)) + payload)
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[IggyCommands]:
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    commands = IggyCommands(
        IggyOptions(
            endpoint=f"127.0.0.1:{port}",
            username="u",
            password="secret-word",
            stream="s",
            call_timeout_ms=200,
        )
    )
    async with listening:
        try:
            yield commands
        finally:
            commands.close()


async def test_it_signs_in_once() -> None:
    server = Server()
    async with connected(server) as commands:
        assert list(await commands.groups("t")) == []
        assert await commands.committed("t", "g", 3) is None

    assert server.asked == [
        (LOGIN, b"\x01u" + b"\x0bsecret-word" + bytes(8)),
        (GET_GROUPS, TOPIC),
        (GET_OFFSET, b"\x02" + GROUP + TOPIC + b"\x01" + struct.pack("<I", 3)),
    ]


async def test_answers_are_taken_apart() -> None:
    offset = struct.pack("<IQQ", 3, 99, 41)
    answers = {
        GET_GROUPS: (0, group("workers") + group("ops")),
        GET_OFFSET: (0, offset),
        GET_GROUP: (0, group("g", 5, 0, 3)),
    }
    async with connected(Server(answers)) as commands:
        assert list(await commands.groups("t")) == ["workers", "ops"]
        assert await commands.committed("t", "g", 3) == 42
        assert list(await commands.shares("t", "g")) == [5, 0, 3]


@pytest.mark.parametrize(
    ("shares", "evens"),
    [
        pytest.param((8, 0), True, id="joiner-without"),
        pytest.param((7, 1), True, id="joiner-with-one"),
        pytest.param((3, 3, 2), False, id="even"),
        pytest.param((8,), False, id="alone"),
        pytest.param((), False, id="nobody"),
    ],
)
async def test_an_uneven_group_is_joined_and_left(shares: tuple[int, ...], *, evens: bool) -> None:
    server = Server({GET_GROUP: (0, group("g", *shares))})
    async with connected(server) as commands:
        assert await commands.even_out("t", "g") is evens

    moves = [(code, payload) for code, payload in server.asked if code in {JOIN, LEAVE}]
    assert moves == ([(JOIN, TOPIC + GROUP), (LEAVE, TOPIC + GROUP)] if evens else [])


async def test_a_group_that_exists_is_fine_and_other_refusals_are_not() -> None:
    async with connected(Server({CREATE_GROUP: (5004, b"")})) as commands:
        await commands.create_group("t", "g")
    async with connected(Server({CREATE_GROUP: (41, b"")})) as commands:
        with pytest.raises(RefusedError) as caught:
            await commands.create_group("t", "g")
    assert caught.value.status == 41


async def test_a_connection_that_has_died_is_replaced() -> None:
    server = Server()
    async with connected(server) as commands:
        await commands.groups("t")
        server.cut.append(PURGE)
        await commands.purge("t")

    assert [code for code, _ in server.asked] == [LOGIN, GET_GROUPS, PURGE, LOGIN, PURGE]


async def test_silence_ends_at_the_deadline_and_the_late_answer_is_not_read() -> None:
    server = Server(silent={PURGE})
    async with connected(server) as commands:
        with pytest.raises(BrokerUnavailableError, match="not in time"):
            await commands.purge("t")
        assert list(await commands.groups("t")) == []

    assert [code for code, _ in server.asked] == [LOGIN, PURGE, LOGIN, GET_GROUPS]


async def test_wrong_credentials_are_named_and_not_shown() -> None:
    async with connected(Server({LOGIN: (42, b"")})) as commands:
        with pytest.raises(BrokerUnavailableError, match="refused the credentials") as caught:
            await commands.groups("t")
    assert "secret-word" not in str(caught.value)


async def test_nobody_there_is_told() -> None:
    async with connected(Server()) as commands:
        pass
    with pytest.raises(BrokerUnavailableError):
        await commands.groups("t")
