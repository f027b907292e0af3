"""Operations on consumer groups: who is alive, who reads which partition, how far it got.

A member is alive until its lease runs out or its process is seen to be dead; a partition is its
owner's until the owner gives it back or is found dead. Each operation runs inside a transaction;
the share is `shares`' to decide.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self
from uuid import uuid4

import apsw

from fetchbox.broker.shares import fair_share
from fetchbox.broker.sqlite_log import create_group, partition_count

CHANGES: Final = b"~"


def change_of(topic: str) -> bytes:
    """Return what tells the members of a topic's groups to look at their standing."""
    return CHANGES + topic.encode()


def bury(connection: apsw.Connection, process: str, signals: set[bytes]) -> None:
    """Remove the members of a process that has died; what they held is free."""
    topics = connection.execute(
        "DELETE FROM members WHERE instr(id, ?) = 1 RETURNING topic", (f"{process}.",)
    )
    signals.update(change_of(topic) for (topic,) in topics)


@dataclass(frozen=True, slots=True)
class Grant:
    """One ownership of a partition: its number and row, which owner in turn, where to resume."""

    number: int
    partition: int
    epoch: int
    committed: int


@dataclass(frozen=True, slots=True)
class Commit:
    """Resume at `offset`, said by the owner of `epoch`."""

    partition: int
    epoch: int
    offset: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What a member holds now, and how many of these it should give back."""

    grants: Sequence[Grant]
    surplus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One reader of a group."""

    id: str
    topic: str
    group: str

    @classmethod
    def of_process(cls, process: str, topic: str, group: str) -> Self:
        """Make a new member whose id begins with the name of its process."""
        return cls(id=f"{process}.{uuid4().hex}", topic=topic, group=group)

    @property
    def signal(self) -> bytes:
        """What tells the other members to look at their standing."""
        return change_of(self.topic)

    def commit(self, connection: apsw.Connection, commits: Sequence[Commit]) -> None:
        """Store offsets, each only where this member still owns the partition."""
        connection.executemany(
            "UPDATE cursors SET committed = ? WHERE partition = ? AND group_name = ?"
            " AND owner = ? AND epoch = ?",
            [(each.offset, each.partition, self.group, self.id, each.epoch) for each in commits],
        )

    def release(
        self, connection: apsw.Connection, partitions: Sequence[int], signals: set[bytes]
    ) -> None:
        """Give partitions back."""
        connection.executemany(
            "UPDATE cursors SET owner = NULL WHERE partition = ? AND group_name = ? AND owner = ?",
            [(partition, self.group, self.id) for partition in partitions],
        )
        if partitions:
            signals.add(self.signal)

    def beat(
        self, connection: apsw.Connection, signals: set[bytes], *, now_ms: int, lease_ms: int
    ) -> Standing:
        """Renew the lease, bury dead members, take what is free and due; return the standing."""
        living = self._renew(connection, signals, now_ms, now_ms + lease_ms)
        cursors = list(
            connection.execute(
                "SELECT p.number, p.id, c.epoch, coalesce(c.committed, 0), c.owner"
                " FROM cursors c JOIN partitions p ON p.id = c.partition"
                " WHERE p.topic = ? AND c.group_name = ? ORDER BY p.number",
                (self.topic, self.group),
            )
        )
        held = Counter(dict.fromkeys(living, 0))
        held.update(owner for *_, owner in cursors if owner in living)
        missing = fair_share(self.id, held, len(cursors)) - held[self.id]
        free = [Grant(*grant) for *grant, owner in cursors if owner not in living]
        kept = [Grant(*grant) for *grant, owner in cursors if owner == self.id]
        taken = self._take(connection, free[: max(missing, 0)])
        if taken:
            signals.add(self.signal)
        return Standing([*kept, *taken], max(-missing, 0))

    def leave(self, connection: apsw.Connection, signals: set[bytes]) -> None:
        """Give everything back at once."""
        connection.execute("DELETE FROM members WHERE id = ?", (self.id,))
        connection.execute("UPDATE cursors SET owner = NULL WHERE owner = ?", (self.id,))
        signals.add(self.signal)

    def _renew(
        self, connection: apsw.Connection, signals: set[bytes], now_ms: int, expires_ms: int
    ) -> set[str]:
        group = (self.topic, self.group)
        connection.execute(
            "DELETE FROM members WHERE topic = ? AND group_name = ? AND expires_ms <= ?",
            (*group, now_ms),
        )
        connection.execute("UPDATE members SET expires_ms = ? WHERE id = ?", (expires_ms, self.id))
        if not connection.changes():
            partition_count(connection, self.topic)
            create_group(connection, *group)
            connection.execute(
                "INSERT INTO members VALUES (?, ?, ?, ?)", (self.id, *group, expires_ms)
            )
            signals.add(self.signal)
        rows = connection.execute(
            "SELECT id FROM members WHERE topic = ? AND group_name = ?", group
        )
        return {identity for (identity,) in rows}

    def _take(self, connection: apsw.Connection, free: Sequence[Grant]) -> list[Grant]:
        connection.executemany(
            "UPDATE cursors SET owner = ?, epoch = epoch + 1"
            " WHERE partition = ? AND group_name = ?",
            [(self.id, grant.partition, self.group) for grant in free],
        )
        return [
            Grant(grant.number, grant.partition, grant.epoch + 1, grant.committed) for grant in free
        ]
