"""Topics and messages on a database in memory: trimming, deleting in steps, provisioning."""

from collections.abc import Iterator
from importlib.resources import files

import apsw
import pytest

from fetchbox.broker.port import BrokerUnavailableError, TopicSpec
from fetchbox.broker.sqlite_log import (
    STEP_MESSAGES,
    Batch,
    create_topic,
    delete_step,
    ends,
    partition_count,
    spans,
    trim_step,
)

SPEC = TopicSpec(name="t", partitions=1, retention_ms=1000, groups=("g",))


@pytest.fixture
def connection() -> Iterator[apsw.Connection]:
    opened = apsw.Connection(":memory:")
    opened.execute(files("fetchbox.broker").joinpath("broker.sql").read_text())
    create_topic(opened, SPEC)
    yield opened
    opened.close()


def append(connection: apsw.Connection, count: int, at_ms: int) -> None:
    Batch("t", "key", [b"x"] * count, at_ms).append(connection, set())


def span(connection: apsw.Connection) -> tuple[int, int]:
    (found,) = spans(connection, "t")
    return found.first, found.next


def trim(connection: apsw.Connection, now_ms: int) -> int:
    """Trim to the end and return the number of steps it took."""
    steps = 1
    while not trim_step(connection, now_ms):
        steps += 1
    return steps


@pytest.mark.parametrize(
    ("now_ms", "first"),
    [
        pytest.param(1100, 0, id="nothing-too-old"),
        pytest.param(1101, 3, id="oldest-too-old"),
        pytest.param(1201, 5, id="more"),
        pytest.param(9999, 9, id="all"),
    ],
)
def test_trim_drops_what_is_past_retention(
    connection: apsw.Connection, now_ms: int, first: int
) -> None:
    for count, at_ms in [(3, 100), (2, 200), (4, 5000)]:
        append(connection, count, at_ms)

    trim(connection, now_ms)

    assert span(connection) == (first, 9)


def test_trim_goes_in_steps(connection: apsw.Connection) -> None:
    append(connection, 2 * STEP_MESSAGES + 1, 100)

    assert trim(connection, 5000) == 4
    assert span(connection) == (2 * STEP_MESSAGES + 1,) * 2


def test_delete_goes_in_steps_and_spares_what_came_later(connection: apsw.Connection) -> None:
    append(connection, STEP_MESSAGES + 1, 100)
    below = ends(connection, "t")
    append(connection, 1, 100)

    assert [delete_step(connection, below) for _ in range(2)] == [False, True]
    assert span(connection) == (STEP_MESSAGES + 1, STEP_MESSAGES + 2)


def test_ensure_changes_retention_but_not_partitions(connection: apsw.Connection) -> None:
    append(connection, 1, 100)

    warning = create_topic(connection, TopicSpec(name="t", partitions=2, retention_ms=10))

    assert warning == "topic t has 1 partitions, not 2; left as it is"
    trim(connection, 200)
    assert span(connection) == (1, 1)


def test_unknown_topic_is_refused_with_the_remedy(connection: apsw.Connection) -> None:
    with pytest.raises(BrokerUnavailableError, match="provision it first"):
        partition_count(connection, "nope")


def test_append_announces_its_topic(connection: apsw.Connection) -> None:
    signals: set[bytes] = set()

    Batch("t", "key", [b"x"], 100).append(connection, signals)

    assert signals == {b"+t"}
