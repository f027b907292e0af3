"""What a group has stored on Iggy, asked in its protocol; the server is made up here."""

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from tests.common.topics import TASKS
from tests.load.group_offsets import GroupOffsets, OffsetsAwayError

FRAME = struct.Struct("<II")
LOGIN, GET_CONSUMER_OFFSET = 38, 120


@dataclass(kw_only=True)
class Server:
    """The levers are fields."""

    #: Last offset and stored one, by partition.
    stored: dict[int, tuple[int, int]] = field(default_factory=dict)
    status: int = 0
    asked: list[tuple[int, bytes]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until the client hangs up."""
        while head := await reader.read(FRAME.size):
            length, code = FRAME.unpack(head)
            payload = await reader.readexactly(length - 4)
            self.asked.append((code, payload))
            answer = b""
            if code == GET_CONSUMER_OFFSET and not self.status:
                (partition,) = struct.unpack("<I", payload[-4:])
                if partition in self.stored:
                    answer = struct.pack("<IQQ", partition, *self.stored[partition])
            writer.write(FRAME.pack(self.status, len(answer)) + answer)
            await writer.drain()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as listening:
        made.url = f"iggy://iggy:s%2Fcret@127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield made


async def test_a_group_is_behind_by_what_it_has_not_stored(server: Server) -> None:
    server.stored = {0: (9, 6), 3: (4, 4)}
    offsets = GroupOffsets(url=server.url)
    behind = await offsets.behind(TASKS, "workers")
    await offsets.behind(TASKS, "workers")
    offsets.close()
    assert behind == {0: 3, 3: 0} | dict.fromkeys([1, 2, 4, 5, 6, 7])
    assert [code for code, _ in server.asked].count(LOGIN) == 1
    assert server.asked[0][1].startswith(b"\x04iggy\x06s/cret")
    assert b"\x02\x07workers" in server.asked[1][1]


async def test_a_refusal_is_an_absence_and_the_next_question_connects_anew(server: Server) -> None:
    server.status = 42
    offsets = GroupOffsets(url=server.url)
    with pytest.raises(OffsetsAwayError, match="status 42"):
        await offsets.behind(TASKS, "workers")
    server.status = 0
    assert await offsets.behind(TASKS, "workers") == dict.fromkeys(range(8))
    offsets.close()


async def test_a_server_that_is_not_there_is_away() -> None:
    with pytest.raises(OffsetsAwayError):
        await GroupOffsets(url="iggy://a:b@127.0.0.1:9").behind(TASKS, "workers")
