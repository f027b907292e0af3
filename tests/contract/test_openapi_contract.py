"""The API keeps what its OpenAPI document promises, whatever is sent (bounded, repeatable)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from fetchbox.api.app import create_app
from fetchbox.api.health import COMPONENTS
from fetchbox.api.openapi import Documentation
from fetchbox.api.server import serve
from fetchbox.broker.streams import topic_specs
from fetchbox.ledger.sqlite import SqliteLedger
from tests.factories import make_new_job
from tests.fakes.api import JOB_ID, make_options, make_services
from tests.fakes.broker import FakeBroker

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
SCHEMA: Final = response_schema_conformance
#: Per operation; all of them together take some seconds.
EXAMPLES: Final = 15

schema = schemathesis.openapi.from_dict(dict(Documentation(version="1.2.3").document()))


async def up() -> str | None:
    return None


@asynccontextmanager
async def api(folder: Path) -> AsyncIterator[Any]:
    """The whole application over fakes and a real ledger that holds one job."""
    broker = FakeBroker()
    await broker.ensure(topic_specs(tasks_days=1, status_days=1, logs_days=1, dlq_days=1))
    async with SqliteLedger(path=folder) as ledger:
        await ledger.create_job(make_new_job(job_id=JOB_ID))
        services = make_services(ledger, broker=broker, probes=dict.fromkeys(COMPONENTS[1:], up))
        yield create_app(services, make_options(), stopping=asyncio.Event())


class Served(Thread):
    """A server with a loop of its own, so that a blocking client can talk to it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="served-api")
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.stop = asyncio.Event()
        self.bound: asyncio.Future[int] = self.loop.create_future()

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with api(self.folder) as app:
            await serve(
                app,
                "127.0.0.1",
                0,
                stop=self.stop,
                stopping=asyncio.Event(),
                on_bound=lambda _host, port: self.bound.set_result(port),
            )

    async def port(self) -> int:
        return await self.bound

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self.join()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = Served(tmp_path_factory.mktemp("ledger"))
    server.start()
    port = asyncio.run_coroutine_threadsafe(server.port(), server.loop).result(timeout=10)
    yield f"http://127.0.0.1:{port}"
    server.close()


def is_stream(case: Any) -> bool:
    """A stream of events is text in OpenAPI 3.1, but schemathesis looks at each event."""
    return bool(case.path.endswith("/logs"))


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_server_error_and_no_undocumented_answer(case: Any, served: str) -> None:
    if is_stream(case):
        case.query = {**(case.query or {})}
        case.query.pop("follow", None)  # the log of a job that never ends would never end
    checks = [check for check in CHECKS if not (is_stream(case) and check is SCHEMA)]
    case.call_and_validate(base_url=served, checks=checks, timeout=5)
