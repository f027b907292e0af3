"""A follower's surroundings on the fake broker and a real ledger."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fetchbox.broker.streams import OPERATORS, STATUS, partition_of, topic_specs
from tests.fakes.broker import FakeBroker
from tests.fakes.ledger import FlakyLedger
from tests.fakes.tracking import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    broker = FakeBroker()
    await broker.ensure(topic_specs(tasks_days=1, status_days=1, logs_days=1, dlq_days=1))
    broker.log.committed[STATUS, OPERATORS] = dict.fromkeys(range(4), 0)
    async with FlakyLedger(path=tmp_path) as ledger:
        yield Desk(broker, ledger)


@pytest.fixture
def partition() -> int:
    """The partition of job j-1."""
    return partition_of("j-1", 4)
