"""A ledger on a real file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fetchbox.ledger.sqlite import SqliteLedger


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    async with SqliteLedger(path=tmp_path) as opened:
        yield opened
