"""Applications over fakes, and clients of them.

Building an application takes longer than a test of it, so a module's tests share them.
"""

import asyncio
from collections.abc import Callable

import pytest

from fetchbox.api.app import ApiServices, create_app
from fetchbox.ledger.sqlite import SqliteLedger
from tests.fakes.api import FakeIntake, make_options, make_services
from tests.fakes.asgi import AsgiClient
from tests.fakes.meter import Meter

MakeClient = Callable[..., AsgiClient]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> ApiServices:
    """Services whose ledger is not opened: for routes that do not use it."""
    return make_services(SqliteLedger(path=tmp_path_factory.mktemp("ledger")))


@pytest.fixture(scope="module")
def make_client(services: ApiServices) -> MakeClient:
    """Give a client of an application with the options named as keywords."""
    made: dict[tuple[tuple[str, object], ...], AsgiClient] = {}

    def make(**options: object) -> AsgiClient:
        wanted = tuple(sorted(options.items()))
        if wanted not in made:
            app = create_app(services, make_options(**options), stopping=asyncio.Event())
            made[wanted] = AsgiClient(app)
        return made[wanted]

    return make


@pytest.fixture
def intake(services: ApiServices) -> FakeIntake:
    """Return the fake behind POST /jobs, as new."""
    assert isinstance(services.intake, FakeIntake)
    services.intake.forget()
    return services.intake


@pytest.fixture
def meter(services: ApiServices) -> Meter:
    """Read what this test adds to the metrics."""
    return Meter(services.metrics.registry)
