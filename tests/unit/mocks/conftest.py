from collections.abc import AsyncIterator

import aiohttp
import pytest

from mocks.peers import Options, Peers, RelaySpec, open_peers
from tests.unit.mocks.dialling import Dial


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    """Open all listeners, and a relay to the origin."""
    async with open_peers(Options()) as behind:
        relays = {"origin": RelaySpec(port=0, target=("127.0.0.1", behind.ports["origin"]))}
        async with open_peers(Options(relays=relays)) as opened:
            yield opened


@pytest.fixture
async def dial(peers: Peers) -> AsyncIterator[Dial]:
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        yield Dial(peers, session)
