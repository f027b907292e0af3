"""Services put together from settings: what they do between start and stop, in one process."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fetchbox.bootstrap.api import BIND_KEY, OPERATOR_KEY, make_registry, run_api
from fetchbox.bootstrap.dev import run_dev
from fetchbox.bootstrap.errors import StartError
from fetchbox.bootstrap.lifetime import start_error_of
from fetchbox.bootstrap.listeners import METRICS_KEY
from fetchbox.bootstrap.parts import Announce
from fetchbox.bootstrap.site import Site
from fetchbox.bootstrap.worker import run_worker
from fetchbox.cli import origin
from fetchbox.settings.load import load_settings
from fetchbox.settings.problems import ConfigError
from fetchbox.settings.settings import Settings
from fetchbox.settings.values import Address

Load = Callable[..., Settings]
Run = Callable[[asyncio.Event, Announce], Any]


@dataclass
class Running:
    """A service that runs; `at` waits until a listener is bound and returns its URL."""

    bound: dict[str, asyncio.Future[str]] = field(default_factory=dict)

    def tell(self, key: str, address: Address) -> None:
        self._slot(key).set_result(f"http://{address}")

    def _slot(self, key: str) -> asyncio.Future[str]:
        return self.bound.setdefault(key, asyncio.get_running_loop().create_future())

    async def at(self, key: str) -> str:
        return await asyncio.wait_for(asyncio.shield(self._slot(key)), 10)


@asynccontextmanager
async def running(run: Run) -> AsyncIterator[Running]:
    stop, service = asyncio.Event(), Running()
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(run(stop, service.tell))
        try:
            yield service
        finally:
            stop.set()


async def get_json(session: aiohttp.ClientSession, url: str) -> tuple[int, Any]:
    async with session.get(url) as answer:
        return answer.status, json.loads(await answer.read())


async def until(check: Callable[[], Any], wanted: Any) -> None:
    """Look again and again, 10 s at most, until a coroutine returns what is wanted."""
    async with asyncio.timeout(10):
        while await check() != wanted:  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0.02)


async def test_dev_takes_a_manifest_to_stored_objects(load: Load, tmp_path: Path) -> None:
    """The whole way, over real sockets: submit, download, store, report."""
    site = Site(app=origin.app, name="origin", address=Address(host="127.0.0.1", port=0))
    run = partial(run_dev, load(), beside=[site.open])
    async with running(run) as dev, aiohttp.ClientSession() as session:
        pages, api = await dev.at("origin"), await dev.at(BIND_KEY)
        names = ["style.css", "logo.svg", "missing"]
        manifest = {
            "manifest_version": "v1",
            "metadata": {},
            "resources": [{"id": name, "url": f"{pages}/{name}"} for name in names],
        }
        headers = {"X-Fetchbox-Job-Type": "default"}
        async with session.post(f"{api}/jobs", json=manifest, headers=headers) as answer:
            assert answer.status == 202
            job_id = (await answer.json())["job_id"]

        async def counts() -> tuple[int, int]:
            _, job = await get_json(session, f"{api}/operators/jobs/{job_id}")
            return job["resource_completed"], job["resource_failed"]

        await until(counts, (2, 1))
        _, job = await get_json(session, f"{api}/operators/jobs/{job_id}")
        assert job["last_error"]["code"] == "DOWNLOAD_HTTP_4XX"
        metrics = await dev.at(METRICS_KEY)
        assert (await get_json(session, f"{metrics}/health/ready"))[0] == 200
        async with session.get(f"{metrics}/metrics") as answer:
            text = await answer.text()
        assert 'service_ready{service="worker"} 1.0' in text
        assert 'service_ready{service="api"} 1.0' in text
    stored = tmp_path / "objects/fetchbox-default/resources/default" / job_id / "logo.svg"
    assert stored.read_bytes() == origin.pages()["/logo.svg"][1]


async def test_api_serves_clients_and_operators_apart(load: Load) -> None:
    settings = load(SERVER__OPERATOR_BIND_ADDR="127.0.0.1:0")
    async with running(partial(run_api, settings)) as api, aiohttp.ClientSession() as session:
        clients, operators = await api.at(BIND_KEY), await api.at(OPERATOR_KEY)
        assert (await get_json(session, f"{clients}/operators/jobs"))[0] == 404
        assert (await get_json(session, f"{operators}/operators/jobs"))[0] == 200
        for url in (clients, operators):
            assert (await get_json(session, f"{url}/health/ready"))[0] == 200


async def test_api_warns_when_operator_routes_are_open_to_others(
    load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    for token, warnings in (("", 1), ("secret", 0)):
        caplog.clear()
        settings = load(SERVER__BIND_ADDR="0.0.0.0:0", SERVER__OPERATOR_TOKEN=token)
        async with running(partial(run_api, settings)) as api:
            await api.at(BIND_KEY)
        found = [record for record in caplog.records if "operator routes are open" in record.msg]
        assert len(found) == warnings


async def test_api_starts_and_says_that_nobody_made_the_topics(load: Load) -> None:
    settings = load(BROKER__AUTO_PROVISION="false")
    async with running(partial(run_api, settings)) as api, aiohttp.ClientSession() as session:
        url = await api.at(BIND_KEY)
        status, health = await get_json(session, f"{url}/health")
    assert status == 503
    broker = health["components"]["broker"]
    assert broker["status"] == "degraded"
    assert broker["detail"].startswith("SYSTEM_QUEUE_UNAVAILABLE") or "topics" in broker["detail"]


async def test_worker_waits_for_its_topics(load: Load) -> None:
    """Not ready alone; ready once an API came and made the topics and the bucket."""
    settings = load()
    async with running(partial(run_worker, settings)) as worker, aiohttp.ClientSession() as session:
        url = f"{await worker.at(METRICS_KEY)}/health"
        assert (await get_json(session, f"{url}/live"))[0] == 200
        assert (await get_json(session, f"{url}/ready"))[0] == 503

        async def status() -> int:
            return (await get_json(session, f"{url}/ready"))[0]

        async with running(partial(run_api, settings)) as api:
            await api.at(BIND_KEY)
            await until(status, 200)


async def start_error(run: Run) -> str:
    """Run a service that cannot start; return the one line that says why."""
    with pytest.raises((StartError, ExceptionGroup)) as caught:
        async with running(run):
            pass
    error = start_error_of(caught.value)
    assert isinstance(error, StartError)
    return str(error)


async def test_taken_port_is_one_line(load: Load) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = await start_error(partial(run_api, load(SERVER__BIND_ADDR=address)))
    assert line == (
        f"cannot listen on {address}: Address already in use; "
        "set server.bind_addr to another address"
    )


async def test_taken_metrics_port_is_an_error_only_if_it_was_asked_for(
    load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        asked = load(TELEMETRY__METRICS_ADDR=address)
        line = await start_error(partial(run_worker, asked))
        assert line.startswith(f"cannot listen on {address}")
        unasked = load_settings(
            Path("absent.toml"),
            {
                "FETCHBOX__BROKER__PATH": str(asked.broker.path),
                "FETCHBOX__STORAGE__PATH": str(asked.storage.path),
            },
            defaults={"telemetry.metrics_addr": address},
        )
        async with running(partial(run_worker, unasked)) as worker:
            assert await worker.at(METRICS_KEY) != f"http://{address}"
    assert any("port is taken" in record.msg for record in caplog.records)


async def test_ledger_in_use_is_one_line(load: Load) -> None:
    settings = load()
    async with running(partial(run_api, settings)) as api:
        await api.at(BIND_KEY)
        line = await start_error(partial(run_api, settings))
    assert line.startswith("the ledger cannot be opened: ")
    assert "in use" in line


async def test_broker_file_that_cannot_be_is_one_line(load: Load, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = load(BROKER__PATH=str(tmp_path / "file" / "broker.db"))
    line = await start_error(partial(run_worker, settings))
    assert line.startswith("the broker cannot be opened: ")


def test_bad_handler_path_is_an_error_of_configuration(load: Load) -> None:
    settings = load(HANDLERS__SHOP__HANDLER="nowhere.Shop")
    with pytest.raises(ConfigError, match=r"handlers\.shop\.handler = 'nowhere\.Shop'"):
        make_registry(settings)


async def test_stop_ends_a_service_that_still_waits(
    load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running(partial(run_worker, load())) as worker:
        await worker.at(METRICS_KEY)
    messages = [record.msg for record in caplog.records]
    assert messages[-1] == "worker stopped"
