"""What the components of the API say about themselves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fetchbox.bootstrap.parts import Parts
from fetchbox.bootstrap.probes import Probes
from fetchbox.bootstrap.run import tell_nobody
from fetchbox.broker import streams
from fetchbox.broker.port import TopicSpec
from fetchbox.ledger.sqlite import SqliteLedger
from fetchbox.model.failure import FetchBoxError
from fetchbox.settings.settings import Settings
from fetchbox.storage.objects import memory_storage
from fetchbox.telemetry.metrics import Metrics
from tests.fakes.broker import FakeBroker

Load = Callable[..., Settings]


def make_probes(settings: Settings) -> Probes:
    return Probes(
        parts=Parts(
            settings=settings,
            broker=FakeBroker(),
            storage=memory_storage(),
            metrics=Metrics(),
            announce=tell_nobody,
        )
    )


@asynccontextmanager
async def listening_port() -> AsyncIterator[int]:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def refusing_port() -> int:
    async with listening_port() as port:
        return port


async def test_broker_names_its_provider_once_topics_exist(load: Load) -> None:
    probes = make_probes(load())
    with pytest.raises(FetchBoxError, match="sqlite: topics are missing"):
        await probes.broker()
    await probes.parts.broker.ensure([TopicSpec(name=streams.TASKS, partitions=1, retention_ms=1)])
    assert await probes.broker() == "sqlite"


async def test_storage_is_well_once_its_bucket_exists(load: Load) -> None:
    probes = make_probes(load(STORAGE__PROVIDER="memory"))
    with pytest.raises(FetchBoxError, match="fetchbox-default"):
        await probes.storage()
    await probes.parts.storage.ensure_bucket("fetchbox-default")
    assert await probes.storage() == "memory"


async def test_no_pools_are_no_fault(load: Load) -> None:
    assert await make_probes(load()).proxies() == "none configured"


async def test_pool_is_well_when_one_of_its_proxies_answers(load: Load) -> None:
    async with listening_port() as port:
        uris = f"http://127.0.0.1:{await refusing_port()},http://u:p@127.0.0.1:{port}"
        settings = load(PROXY__POOLS__EU__PRIMARY=uris)
        assert await make_probes(settings).proxies() == "1 pools"


async def test_pools_without_an_answering_proxy_are_named(load: Load) -> None:
    dead = f"http://user:secret@127.0.0.1:{await refusing_port()}"
    async with listening_port() as port:
        settings = load(
            PROXY__POOLS__DEAD__PRIMARY=dead,
            PROXY__POOLS__ALIVE__PRIMARY=f"http://127.0.0.1:{port}",
        )
        with pytest.raises(FetchBoxError, match="no proxy answers in: dead") as caught:
            await make_probes(settings).proxies()
    assert "secret" not in str(caught.value)


async def test_api_has_a_probe_for_each_component(load: Load, tmp_path: Path) -> None:
    async with SqliteLedger(path=tmp_path / "ledger") as ledger:
        probes = make_probes(load()).of_api(ledger)
        assert set(probes) == {"ledger", "broker", "storage", "proxy_pools"}
        assert await probes["ledger"]() is None
