"""Operations on topics and messages. Each runs inside a transaction; knows no group but by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import apsw

from fetchbox.broker.port import (
    BrokerUnavailableError,
    Message,
    PartitionSpan,
    Published,
    TopicSpec,
)
from fetchbox.broker.streams import partition_of

#: Deleting goes in steps of so many messages per partition, so that publishers get in between.
STEP_MESSAGES: Final = 2000

MESSAGES: Final = b"+"


@dataclass(frozen=True, slots=True)
class Stretch:
    """What to read: `partition` is a row of `partitions`, not a number within a topic."""

    partition: int
    offset: int
    limit: int


def create_topic(connection: apsw.Connection, spec: TopicSpec) -> str | None:
    """Create a topic, its partitions and groups where missing; warn of another partition count."""
    connection.execute(
        "INSERT INTO topics VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET retention_ms = ?3",
        (spec.name, spec.partitions, spec.retention_ms),
    )
    found = partition_count(connection, spec.name)
    connection.executemany(
        "INSERT OR IGNORE INTO partitions (topic, number) VALUES (?, ?)",
        [(spec.name, number) for number in range(found)],
    )
    for group in spec.groups:
        create_group(connection, spec.name, group)
    if found == spec.partitions:
        return None
    return f"topic {spec.name} has {found} partitions, not {spec.partitions}; left as it is"


def create_group(connection: apsw.Connection, topic: str, group: str) -> None:
    """Make sure `group` has a cursor on every partition of `topic`."""
    connection.execute(
        "INSERT OR IGNORE INTO cursors (partition, group_name)"
        " SELECT id, ? FROM partitions WHERE topic = ?",
        (group, topic),
    )


def partition_count(connection: apsw.Connection, topic: str) -> int:
    """Return how many partitions `topic` has; refuse one that does not exist."""
    found = connection.execute("SELECT partitions FROM topics WHERE name = ?", (topic,)).get
    if found is None:
        msg = f"topic {topic} does not exist; provision it first"
        raise BrokerUnavailableError(msg)
    return int(found)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one publish appends."""

    topic: str
    key: str
    payloads: Sequence[bytes]
    at_ms: int

    def append(self, connection: apsw.Connection, signals: set[bytes]) -> Published:
        """Append it to the partition of its key."""
        number = partition_of(self.key, partition_count(connection, self.topic))
        partition, end = connection.execute(
            "UPDATE partitions SET next = next + ? WHERE topic = ? AND number = ?"
            " RETURNING id, next",
            (len(self.payloads), self.topic, number),
        ).get
        first = end - len(self.payloads)
        # As one statement: row by row, the thread would fight the event loop for the interpreter.
        connection.execute(
            "INSERT INTO messages SELECT ?, ? + rowid - 1, ?, value FROM carray(?)",
            (partition, first, self.at_ms, apsw.carray(tuple(self.payloads))),
        )
        signals.add(MESSAGES + self.topic.encode())
        return Published(number, first)


def read_stretches(
    connection: apsw.Connection, stretches: Sequence[Stretch]
) -> list[list[tuple[int, bytes]]]:
    """Return (offset, payload) of each stretch, in offset order."""
    return [
        list(
            connection.execute(
                "SELECT offset, payload FROM messages WHERE partition = ? AND offset >= ?"
                " ORDER BY offset LIMIT ?",
                (stretch.partition, stretch.offset, stretch.limit),
            )
        )
        for stretch in stretches
    ]


def locate(connection: apsw.Connection, topic: str, number: int) -> tuple[int, int] | None:
    """Return the row and the next offset of a partition, None when there is no such."""
    found: tuple[int, int] | None = connection.execute(
        "SELECT id, next FROM partitions WHERE topic = ? AND number = ?", (topic, number)
    ).get
    return found


def read_page(
    connection: apsw.Connection, number: int, stretch: Stretch, end: int
) -> list[Message]:
    """Return the messages of a stretch below `end`."""
    (rows,) = read_stretches(connection, [stretch])
    return [Message(number, offset, payload) for offset, payload in rows if offset < end]


def spans(connection: apsw.Connection, topic: str) -> list[PartitionSpan]:
    """Describe the partitions of `topic`."""
    committed: dict[int, dict[str, int]] = {}
    for partition, group, offset in connection.execute(
        "SELECT partition, group_name, committed FROM cursors WHERE committed IS NOT NULL"
    ):
        committed.setdefault(partition, {})[group] = offset
    rows = connection.execute(
        "SELECT id, number, next, coalesce("
        "  (SELECT min(offset) FROM messages WHERE partition = id), next)"
        " FROM partitions WHERE topic = ? ORDER BY number",
        (topic,),
    )
    return [
        PartitionSpan(
            partition=number, first=first, next=end, committed=committed.get(partition, {})
        )
        for partition, number, end, first in rows
    ]


def ends(connection: apsw.Connection, topic: str) -> list[tuple[int, int]]:
    """Return row and next offset of every partition of `topic`."""
    return list(connection.execute("SELECT id, next FROM partitions WHERE topic = ?", (topic,)))


def delete_step(connection: apsw.Connection, below: Sequence[tuple[int, int]]) -> bool:
    """Delete some of the messages below the offset given per partition; say if that was all."""
    for partition, offset in below:
        connection.execute(
            "DELETE FROM messages WHERE partition = ?1 AND offset < min(?2, ?3 +"
            " (SELECT min(offset) FROM messages WHERE partition = ?1))",
            (partition, offset, STEP_MESSAGES),
        )
    return not any(
        connection.execute(
            "SELECT EXISTS (SELECT 1 FROM messages WHERE partition = ? AND offset < ?)", row
        ).get
        for row in below
    )


def trim_step(connection: apsw.Connection, now_ms: int) -> bool:
    """Delete some of the messages past their topic's retention; say if that was all.

    Messages lie in order of age, so a partition costs one look unless its first one is too old.
    """
    expired = connection.execute(
        "SELECT p.id, (SELECT max(offset) + 1 FROM"
        "   (SELECT offset, at_ms FROM messages WHERE partition = p.id ORDER BY offset LIMIT ?2)"
        "   WHERE at_ms < ?1 - t.retention_ms)"
        " FROM partitions p JOIN topics t ON t.name = p.topic WHERE ?1 - t.retention_ms >"
        "   (SELECT at_ms FROM messages WHERE partition = p.id ORDER BY offset LIMIT 1)",
        (now_ms, STEP_MESSAGES),
    )
    below = [(partition, offset) for partition, offset in expired if offset is not None]
    delete_step(connection, below)
    return not below
