"""The streams from a terminal: what topics hold, a task published by hand, events of one job."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from fetchbox.broker import streams
from fetchbox.broker.port import Broker, BrokerUnavailableError, PartitionSpan, Published
from fetchbox.broker.streams import partition_of
from fetchbox.model.failure import FailureCode, fail
from fetchbox.model.ids import DEFAULT_TENANT, id_fault
from fetchbox.model.outcome import LogEvent, StatusEvent
from fetchbox.model.task import DownloadTask
from fetchbox.model.url_check import url_fault
from fetchbox.operations.partitions import decoded, read_span
from fetchbox.wire.codec import decode_log, decode_status, encode_task, task_from_json

Event = StatusEvent | LogEvent
Sleep = Callable[[float], Awaitable[None]]

#: How long a tail waits for more.
POLL_S: Final = 0.25
MAX_ID_LENGTH: Final = 255

_REQUIRED: Final = ("job_id", "job_type", "resource_id", "url")
_DECODE: Final[Mapping[str, Callable[[bytes], Event]]] = {
    streams.STATUS: decode_status,
    streams.LOGS: decode_log,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicContent:
    """What one topic holds; no spans: it does not exist."""

    name: str
    spans: Sequence[PartitionSpan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tailed:
    """An event and where it lies."""

    partition: int
    offset: int
    event: Event

    def shown(self) -> Mapping[str, object]:
        """Return it as plain values for JSON, with the names the operator API uses."""
        values = asdict(self.event)
        if isinstance(self.event, LogEvent):
            values["level"] = self.event.level.name.lower()
        return {**values, "partition": self.partition, "offset": self.offset}


async def describe_topics(broker: Broker) -> Sequence[TopicContent]:
    """Describe the four topics."""
    return [
        TopicContent(name=name, spans=await broker.describe(name)) for name in streams.PARTITIONS
    ]


async def publish_task(broker: Broker, text: str) -> tuple[DownloadTask, Published]:
    """Publish the task in a file of protobuf's JSON form, as a direct producer would.

    `attempt` and `tenant` may be left out. Raises FetchBoxError that names the field at fault.
    """
    task = task_from_json(text)
    for name in _REQUIRED:
        if not getattr(task, name):
            message = f"the task has no {name}; give one"
            raise fail(FailureCode.VALIDATION_MISSING_FIELD, message, field=name)
    for name, fault in (
        ("resource_id", id_fault(task.resource_id, MAX_ID_LENGTH)),
        ("url", url_fault(task.url)),
    ):
        if fault is not None:
            raise fail(FailureCode.VALIDATION_INVALID_FIELD, f"{name} {fault}", field=name)
    task = replace(task, attempt=task.attempt or 1, tenant=task.tenant or DEFAULT_TENANT)
    return task, await broker.publish(streams.TASKS, task.job_id, [encode_task(task)])


async def tail(
    broker: Broker, topic: str, job_id: str, *, follow: bool, sleep: Sleep = asyncio.sleep
) -> AsyncIterator[Tailed]:
    """Yield the events of one job on jobs.status or jobs.logs, oldest first.

    Ends at what is there now, or with `follow` never. Raises BrokerUnavailableError.
    """
    decode, offset = _DECODE[topic], 0
    while True:
        span = await _span(broker, topic, job_id)
        unread = replace(span, first=max(offset, span.first))
        async for message in read_span(broker, topic, unread):
            event = decoded(topic, message, decode)
            if event is not None and event.job_id == job_id:
                yield Tailed(partition=message.partition, offset=message.offset, event=event)
        offset = span.next
        if not follow:
            return
        await sleep(POLL_S)


async def _span(broker: Broker, topic: str, job_id: str) -> PartitionSpan:
    """Describe the partition of a job."""
    spans = await broker.describe(topic)
    if not spans:
        message = f"topic {topic} does not exist; run the API or `fetchbox streams setup` first"
        raise BrokerUnavailableError(message)
    number = partition_of(job_id, len(spans))
    return next(span for span in spans if span.partition == number)
