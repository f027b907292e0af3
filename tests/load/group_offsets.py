"""How far a group is behind on Iggy: one command of the binary protocol, which the SDK lacks.

GET_CONSUMER_OFFSET tells the end of a partition and what a group has stored there.
"""

import asyncio
import struct
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from tests.common.topics import CALL_S, PARTITIONS, STREAM

_LOGIN: Final = 38
_GET_CONSUMER_OFFSET: Final = 120
_GROUP: Final = b"\x02"
_FRAME: Final = struct.Struct("<II")
#: Partition, its last offset, the last one that the group has stored.
_OFFSETS: Final = struct.Struct("<IQQ")


class OffsetsAwayError(Exception):
    """The server does not answer, or refuses to."""


@dataclass(kw_only=True)
class GroupOffsets:
    """One connection, opened by the first question and after a fault."""

    url: str
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def behind(self, topic: str, group: str) -> dict[int, int | None]:
        """Return per partition how many messages a group has not settled.

        None is a partition of which it has settled nothing yet; raises OffsetsAwayError.
        """
        try:
            async with asyncio.timeout(CALL_S):
                return {n: await self._behind(topic, group, n) for n in range(PARTITIONS[topic])}
        except BaseException as error:
            self.close()  # half an answer must not be taken for the next one
            if not isinstance(error, OSError | EOFError | TimeoutError):
                raise
            raise OffsetsAwayError(str(error)) from error

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None

    async def _behind(self, topic: str, group: str, partition: int) -> int | None:
        if self._streams is None:
            await self._connect()
        where = _name(STREAM) + _name(topic) + struct.pack("<BI", 1, partition)
        answer = await self._ask(_GET_CONSUMER_OFFSET, _GROUP + _name(group) + where)
        if not answer:
            return None
        _, end, stored = _OFFSETS.unpack(answer)
        return int(end - stored)

    async def _connect(self) -> None:
        parts = urlsplit(self.url)
        words = [unquote(word or "").encode() for word in (parts.username, parts.password)]
        self._streams = await asyncio.open_connection(parts.hostname, parts.port)
        await self._ask(_LOGIN, b"".join(bytes([len(word)]) + word for word in words) + bytes(8))

    async def _ask(self, code: int, payload: bytes) -> bytes:
        assert self._streams is not None
        reader, writer = self._streams
        writer.write(_FRAME.pack(4 + len(payload), code) + payload)
        await writer.drain()
        status, length = _FRAME.unpack(await reader.readexactly(_FRAME.size))
        if status:
            message = f"iggy refused command {code}: status {status}"
            raise OSError(message)
        return await reader.readexactly(length)


def _name(text: str) -> bytes:
    return b"\x02" + bytes([len(text.encode())]) + text.encode()
