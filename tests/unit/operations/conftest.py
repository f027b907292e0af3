from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fetchbox.broker.streams import topic_specs
from fetchbox.ledger.sqlite import SqliteLedger
from tests.fakes.broker import FakeBroker


@pytest.fixture
async def broker() -> FakeBroker:
    opened = FakeBroker()
    await opened.ensure(topic_specs(tasks_days=7, status_days=14, logs_days=30, dlq_days=90))
    return opened


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    async with SqliteLedger(path=tmp_path) as opened:
        yield opened
