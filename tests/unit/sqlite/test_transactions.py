"""Group commit on a real file: what shares a transaction, and who sees which error."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from fetchbox.broker.port import BrokerUnavailableError
from fetchbox.sqlite.transactions import WRITE, Database, Operation, Transactions

SCHEMA = "CREATE TABLE IF NOT EXISTS n (value INTEGER PRIMARY KEY)"


def database(folder: Path, name: str = "t.db") -> Database:
    return Database(path=folder / name, lock_wait_ms=20, unavailable=BrokerUnavailableError)


@pytest.fixture
async def writes(tmp_path: Path) -> AsyncIterator[Transactions]:
    opened = Transactions(database(tmp_path), begin=WRITE)
    await opened.open(SCHEMA)
    yield opened
    await opened.close()


def insert(value: int) -> Operation[int]:
    def operation(connection: apsw.Connection, _signals: set[bytes]) -> int:
        connection.execute("INSERT INTO n VALUES (?)", (value,))
        return value

    return operation


def refuse(_connection: apsw.Connection, _signals: set[bytes]) -> int:
    raise BrokerUnavailableError("no such topic")


def values(path: Path) -> list[int]:
    connection = apsw.Connection(str(path / "t.db"))
    try:
        return [value for (value,) in connection.execute("SELECT value FROM n ORDER BY value")]
    finally:
        connection.close()


async def test_concurrent_operations_share_one_commit(tmp_path: Path) -> None:
    announced: list[set[bytes]] = []

    def signalling(_connection: apsw.Connection, signals: set[bytes]) -> None:
        signals.add(b"x")

    writes = Transactions(database(tmp_path), begin=WRITE, announce=announced.append)
    await writes.open(SCHEMA)
    await asyncio.gather(*(writes.submit(signalling) for _ in range(100)))
    await writes.close()

    assert announced == [{b"x"}]


async def test_operations_run_in_order_and_answer_their_callers(writes: Transactions) -> None:
    assert await asyncio.gather(*(writes.submit(insert(n)) for n in range(50))) == list(range(50))


async def test_refused_operation_does_not_fail_its_neighbours(
    writes: Transactions, tmp_path: Path
) -> None:
    outcomes = await asyncio.gather(
        writes.submit(insert(1)),
        writes.submit(refuse),
        writes.submit(insert(2)),
        return_exceptions=True,
    )

    assert outcomes[0] == 1
    assert isinstance(outcomes[1], BrokerUnavailableError)
    assert values(tmp_path) == [1, 2]


async def test_fault_rolls_the_transaction_back_for_all(
    writes: Transactions, tmp_path: Path
) -> None:
    outcomes = await asyncio.gather(
        writes.submit(insert(1)), writes.submit(insert(1)), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [BrokerUnavailableError] * 2
    assert values(tmp_path) == []
    assert await writes.submit(insert(3)) == 3


async def test_locked_file_is_given_up_on_after_a_while(
    writes: Transactions, tmp_path: Path
) -> None:
    other = apsw.Connection(str(tmp_path / "t.db"))
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(BrokerUnavailableError, match="locked by another process"):
        await writes.submit(insert(1))

    other.execute("ROLLBACK")
    other.close()
    assert await writes.submit(insert(1)) == 1


async def test_cancelled_caller_leaves_the_others_alone(
    writes: Transactions, tmp_path: Path
) -> None:
    gone, stays = writes.submit(insert(1)), writes.submit(insert(2))
    gone.cancel()

    assert await stays == 2
    assert values(tmp_path) == [1, 2]


async def test_close_finishes_what_was_submitted(tmp_path: Path) -> None:
    writes = Transactions(database(tmp_path), begin=WRITE)
    await writes.open(SCHEMA)
    submitted = [writes.submit(insert(n)) for n in range(5)]

    await writes.close()
    await writes.close()

    assert [future.result() for future in submitted] == list(range(5))
    assert values(tmp_path) == list(range(5))
    with pytest.raises(BrokerUnavailableError, match="closed"):
        await writes.submit(insert(9))


async def test_unusable_file_is_an_unavailable_broker(tmp_path: Path) -> None:
    (tmp_path / "t.db").write_bytes(b"no database at all" * 100)

    with pytest.raises(BrokerUnavailableError, match=r"t\.db is no SQLite database"):
        await Transactions(database(tmp_path), begin=WRITE).open(SCHEMA)


async def test_file_that_others_are_making_is_waited_for_within_bounds(tmp_path: Path) -> None:
    other = apsw.Connection(str(tmp_path / "t.db"))
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(BrokerUnavailableError, match="locked by another process"):
        await Transactions(database(tmp_path), begin=WRITE).open(SCHEMA)

    other.execute("ROLLBACK")
    other.close()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(apsw.FullError(), "full disk", id="full"),
        pytest.param(apsw.CorruptError(), "damaged", id="corrupt"),
        pytest.param(apsw.ReadOnlyError(), "read-only", id="read-only"),
        pytest.param(apsw.ConstraintError(), "ConstraintError", id="unforeseen"),
    ],
)
def test_sqlite_faults_are_translated(error: apsw.Error, words: str) -> None:
    seen = database(Path("/secret/folder")).translated(error)

    assert isinstance(seen, BrokerUnavailableError)
    assert words in str(seen)
    assert "secret" not in str(seen)
    assert seen.__cause__ is error


def test_other_faults_are_left_alone() -> None:
    error = TypeError("a bug")

    assert database(Path()).translated(error) is error
