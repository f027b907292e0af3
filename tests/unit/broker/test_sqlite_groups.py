"""Members, leases and fencing on a database in memory, with the time as a number."""

from collections.abc import Iterator
from importlib.resources import files

import apsw
import pytest

from fetchbox.broker.port import BrokerUnavailableError, TopicSpec
from fetchbox.broker.sqlite_groups import Commit, Grant, Member, Standing, bury
from fetchbox.broker.sqlite_log import create_topic, spans

LEASE_MS = 100
A = Member(id="a", topic="t", group="g")
B = Member(id="b", topic="t", group="g")


@pytest.fixture
def connection() -> Iterator[apsw.Connection]:
    opened = apsw.Connection(":memory:")
    opened.execute(files("fetchbox.broker").joinpath("broker.sql").read_text())
    create_topic(opened, TopicSpec(name="t", partitions=4, retention_ms=1000))
    yield opened
    opened.close()


def beat(connection: apsw.Connection, member: Member, now_ms: int) -> Standing:
    return member.beat(connection, set(), now_ms=now_ms, lease_ms=LEASE_MS)


def numbers(standing: Standing) -> list[int]:
    return [grant.number for grant in standing.grants]


def committed(connection: apsw.Connection) -> list[int | None]:
    return [span.committed.get("g") for span in spans(connection, "t")]


def commit_of(grant: Grant, offset: int) -> Commit:
    return Commit(grant.partition, grant.epoch, offset)


def test_first_member_takes_everything(connection: apsw.Connection) -> None:
    standing = beat(connection, A, 0)

    assert (numbers(standing), standing.surplus) == ([0, 1, 2, 3], 0)


def test_second_member_waits_for_what_the_first_gives_back(connection: apsw.Connection) -> None:
    held = beat(connection, A, 0).grants
    assert numbers(beat(connection, B, 0)) == []
    assert beat(connection, A, 1).surplus == 2

    A.release(connection, [held[0].partition, held[3].partition], set())

    assert numbers(beat(connection, B, 2)) == [0, 3]
    assert numbers(beat(connection, A, 2)) == [1, 2]
    assert beat(connection, A, 2).surplus == 0


def test_member_whose_lease_ran_out_loses_everything(connection: apsw.Connection) -> None:
    beat(connection, A, 0)
    assert numbers(beat(connection, B, LEASE_MS - 1)) == []

    assert numbers(beat(connection, B, LEASE_MS)) == [0, 1, 2, 3]


def test_late_member_keeps_what_nobody_took(connection: apsw.Connection) -> None:
    before = beat(connection, A, 0)

    assert beat(connection, A, 10 * LEASE_MS) == before


def test_commit_of_a_former_owner_is_ignored(connection: apsw.Connection) -> None:
    lost = beat(connection, A, 0).grants[0]
    kept = beat(connection, B, LEASE_MS).grants[0]
    B.commit(connection, [commit_of(kept, 7)])

    A.commit(connection, [commit_of(lost, 3)])

    assert committed(connection) == [7, None, None, None]


def test_commit_from_before_a_loss_is_ignored_after_the_partition_came_back(
    connection: apsw.Connection,
) -> None:
    """Same owner, later epoch: an offset of the former one may lie behind what others did."""
    former = beat(connection, A, 0).grants[0]
    B.commit(connection, [commit_of(beat(connection, B, LEASE_MS).grants[0], 7)])
    B.leave(connection, set())
    present = beat(connection, A, LEASE_MS + 1).grants[0]
    assert present.committed == 7

    A.commit(connection, [commit_of(former, 3)])

    assert committed(connection)[0] == 7


def test_leaving_frees_at_once(connection: apsw.Connection) -> None:
    beat(connection, A, 0)
    A.leave(connection, set())

    assert numbers(beat(connection, B, 1)) == [0, 1, 2, 3]


def test_members_of_a_dead_process_hold_nothing(connection: apsw.Connection) -> None:
    """Long before their leases run out; a process whose name begins alike lives on."""
    dead = Member.of_process("0000017-aa", "t", "g")
    living = Member.of_process("0000017-aabb", "t", "g")
    assert len(beat(connection, dead, 0).grants) == 4
    beat(connection, living, 1)
    signals: set[bytes] = set()

    bury(connection, "0000017-aa", signals)

    assert signals == {b"~t"}
    assert numbers(beat(connection, living, 2)) == [0, 1, 2, 3]
    bury(connection, "0000017-aa", again := set[bytes]())
    assert again == set()


def test_other_groups_and_topics_are_left_alone(connection: apsw.Connection) -> None:
    create_topic(connection, TopicSpec(name="u", partitions=2, retention_ms=1000))
    other_group = Member(id="c", topic="t", group="h")
    other_topic = Member(id="d", topic="u", group="g")
    beat(connection, A, 0)

    assert numbers(beat(connection, other_group, LEASE_MS)) == [0, 1, 2, 3]
    assert numbers(beat(connection, other_topic, LEASE_MS)) == [0, 1]
    assert numbers(beat(connection, A, LEASE_MS)) == [0, 1, 2, 3]


def test_only_changes_are_announced(connection: apsw.Connection) -> None:
    """Or every heartbeat would wake every member, whose heartbeats would wake ..."""
    announced = []
    for now_ms in range(3):
        signals: set[bytes] = set()
        A.beat(connection, signals, now_ms=now_ms, lease_ms=LEASE_MS)
        announced.append(signals)

    assert announced == [{b"~t"}, set(), set()]


def test_unknown_topic_cannot_be_joined(connection: apsw.Connection) -> None:
    with pytest.raises(BrokerUnavailableError, match="nope"):
        beat(connection, Member(id="x", topic="nope", group="g"), 0)
