"""Reading a topic from end to end, page by page, outside of any group."""

import logging
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

from fetchbox.broker.port import Broker, Message, PartitionSpan
from fetchbox.wire.codec import UndecodableError

_log = logging.getLogger(__name__)

#: Messages asked for at once.
PAGE: Final = 1000

Value = TypeVar("Value")


async def read_span(broker: Broker, topic: str, span: PartitionSpan) -> AsyncIterator[Message]:
    """Yield what a partition held when its span was described."""
    offset = span.first
    while offset < span.next:
        seen = offset
        limit = min(PAGE, span.next - offset)
        async for message in broker.read(topic, span.partition, offset, limit=limit):
            offset = message.offset + 1
            if message.offset < span.next:
                yield message
        if offset == seen:  # dropped by retention in the meantime
            return


def decoded(topic: str, message: Message, decode: Callable[[bytes], Value]) -> Value | None:
    """Decode a message; what is not readable is logged and None."""
    try:
        return decode(message.payload)
    except UndecodableError as error:
        place = {"stream": topic, "partition": message.partition, "offset": message.offset}
        _log.warning("message skipped", extra={**place, "reason": error.failure.message})
        return None
