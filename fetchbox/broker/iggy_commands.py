"""The commands of Iggy's binary protocol that SDK 0.8.0 lacks, on one connection of their own.

What groups have committed, making and evening out a group, purging a topic. All may be repeated,
so a command on a connection that turns out to be dead is sent again on a new one.
"""

import asyncio
import struct
from collections.abc import Sequence
from typing import Final

from fetchbox.broker.iggy_connection import IggyOptions
from fetchbox.broker.port import BrokerUnavailableError

_LOGIN: Final = 38
_GET_OFFSET: Final = 120
_PURGE_TOPIC: Final = 305
_GET_GROUP: Final = 600
_GET_GROUPS: Final = 601
_CREATE_GROUP: Final = 602
_JOIN_GROUP: Final = 604
_LEAVE_GROUP: Final = 605

#: A status of the server: there is a group of that name already.
_GROUP_EXISTS: Final = 5004

_GROUP_CONSUMER: Final = b"\x02"
_HEAD: Final = struct.Struct("<II")
#: Of a group: id, partitions, members, length of the name. Of an offset: partition, end, stored.
_GROUP: Final = struct.Struct("<IIIB")
_OFFSET: Final = struct.Struct("<IQQ")


class RefusedError(Exception):
    """The server understood the command and said no; `status` is its reason."""

    def __init__(self, status: int) -> None:
        """Keep the status."""
        super().__init__(f"iggy refused the command: status {status}")
        self.status = status


class IggyCommands:
    """Asks one question at a time, each within the deadline; raises BrokerUnavailableError."""

    def __init__(self, options: IggyOptions) -> None:
        """Connect nothing yet."""
        self._options = options
        self._stream = _identifier(options.stream)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._asking = asyncio.Lock()

    def close(self) -> None:
        """Hang up; the next command connects again."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None

    async def groups(self, topic: str) -> Sequence[str]:
        """Name the groups of a topic."""
        answer, names = await self._ask(_GET_GROUPS, self._topic(topic)), []
        while answer:
            name, answer = _split_group(answer)
            names.append(name)
        return names

    async def committed(self, topic: str, group: str, partition: int) -> int | None:
        """Return the offset that a group resumes at, None when it has stored none."""
        consumer = _GROUP_CONSUMER + _identifier(group)
        where = self._topic(topic) + struct.pack("<BI", 1, partition)
        answer = await self._ask(_GET_OFFSET, consumer + where)
        return _OFFSET.unpack(answer)[2] + 1 if answer else None

    async def create_group(self, topic: str, group: str) -> None:
        """Make a group, unless it is there."""
        name = group.encode()
        try:
            await self._ask(_CREATE_GROUP, self._topic(topic) + bytes([len(name)]) + name)
        except RefusedError as error:
            if error.status != _GROUP_EXISTS:
                raise

    async def shares(self, topic: str, group: str) -> Sequence[int]:
        """Tell how many partitions each member of a group owns."""
        answer = await self._ask(_GET_GROUP, self._topic(topic) + _identifier(group))
        _, members = _split_group(answer) if answer else ("", b"")
        shares = []
        while members:
            _, count = _HEAD.unpack_from(members)
            shares.append(count)
            members = members[_HEAD.size + 4 * count :]
        return shares

    async def even_out(self, topic: str, group: str) -> bool:
        """Share the partitions of a group anew if one member has two more than another.

        The server hands a joining member one partition and leaves it at that; it shares all of
        them anew when a member leaves. So somebody joins, to leave at once.
        """
        shares = await self.shares(topic, group)
        if not shares or max(shares) - min(shares) < 2:  # noqa: PLR2004 - as even as can be
            return False
        where = self._topic(topic) + _identifier(group)
        await self._ask(_JOIN_GROUP, where)
        await self._ask(_LEAVE_GROUP, where)
        return True

    async def purge(self, topic: str) -> None:
        """Delete all messages; offsets start at 0 again."""
        await self._ask(_PURGE_TOPIC, self._topic(topic))

    def _topic(self, topic: str) -> bytes:
        return self._stream + _identifier(topic)

    async def _ask(self, code: int, payload: bytes) -> bytes:
        async with self._asking:
            was_open = self._streams is not None
            try:
                return await self._ask_within(code, payload)
            except BrokerUnavailableError:
                if not was_open:
                    raise
            return await self._ask_within(code, payload)

    async def _ask_within(self, code: int, payload: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._options.call_timeout_ms / 1000):
                reader, writer = self._streams or await self._connect()
                return await _exchange(reader, writer, code, payload)
        except RefusedError:
            raise
        except BaseException as error:
            self.close()  # half an answer must not be taken for the next one
            if not isinstance(error, OSError | TimeoutError | EOFError):
                raise
            msg = f"iggy: no answer from {self._options.endpoint}: {str(error) or 'not in time'}"
            raise BrokerUnavailableError(msg) from error

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self._options.endpoint.rpartition(":")
        reader, writer = self._streams = await asyncio.open_connection(host, int(port))
        words = (self._options.username.encode(), self._options.password.encode())
        credentials = b"".join(bytes([len(word)]) + word for word in words)
        try:
            await _exchange(reader, writer, _LOGIN, credentials + bytes(8))
        except RefusedError as error:
            msg = f"iggy: {self._options.endpoint} refused the credentials; check iggy.client_id"
            self.close()
            raise BrokerUnavailableError(msg) from error
        return reader, writer


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, code: int, payload: bytes
) -> bytes:
    if writer.is_closing():  # uvloop calls a write to it a RuntimeError
        message = "the connection was closed"
        raise ConnectionResetError(message)
    writer.write(_HEAD.pack(4 + len(payload), code) + payload)
    await writer.drain()
    status, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    if status:
        raise RefusedError(status)
    return await reader.readexactly(length)


def _identifier(name: str) -> bytes:
    text = name.encode()
    return b"\x02" + bytes([len(text)]) + text


def _split_group(answer: bytes) -> tuple[str, bytes]:
    """Return the name of the first group in an answer, and what follows it."""
    end = _GROUP.size + _GROUP.unpack_from(answer)[3]
    return answer[_GROUP.size : end].decode(), answer[end:]
