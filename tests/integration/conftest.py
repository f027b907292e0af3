"""Fixtures of the integration tests: one TestContext per test, held to account when it ends."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from runner.waiting import wait_until
from tests.common import evidence_plugin
from tests.common.addresses import Addresses, read_addresses
from tests.common.conservation import check_conservation
from tests.common.context import TestContext, new_case
from tests.common.stack import Stack, open_stack
from tests.common.supervisor import Supervised

SWITCH = "INTEGRATION_TESTS"
_IS_RED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Gather evidence of what fails."""
    if not config.pluginmanager.has_plugin(evidence_plugin.NAME):
        config.pluginmanager.register(evidence_plugin, evidence_plugin.NAME)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave these tests out, with one line, unless they are asked for."""
    if os.environ.get(SWITCH) == "1":
        return
    here = [item for item in items if "integration" in item.path.parts]
    if here:
        config.hook.pytest_deselected(items=here)
        items[:] = [item for item in items if item not in here]
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            reporter.write_line(
                f"{len(here)} integration tests need a stack: `make e2e`, or {SWITCH}=1 with the"
                " FETCHBOX_TEST_* variables that `python -m runner up` prints"
            )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Remember whether the test itself failed, so that the account does not hide the cause."""
    report = yield
    if report.when == "call":
        item.stash[_IS_RED] = report.failed or report.skipped
    return report


@pytest.fixture(scope="session")
def addresses() -> Addresses:
    """Where the stack is."""
    return read_addresses(os.environ)


@pytest.fixture(scope="session")
def stack(addresses: Addresses) -> Iterator[Stack]:
    """The connections of this process."""
    with open_stack(addresses) as opened:
        yield opened


@pytest.fixture
def context(stack: Stack, request: pytest.FixtureRequest) -> Iterator[TestContext]:
    """The test's own view of the stack; its stubs are removed at the end."""
    made = TestContext(stack=stack, case=new_case(request.node.name.removeprefix("test_")))
    yield made
    # In junit.xml, for who looks for what else is known of a red test.
    request.node.user_properties.append(("case", made.case))
    request.node.user_properties.extend(("job", job.job_id) for job in made.jobs)
    made.clean()


@pytest.fixture(autouse=True)
def only_where_it_can(addresses: Addresses, request: pytest.FixtureRequest) -> None:
    """Skip what needs containers on a stack that has none."""
    if request.node.get_closest_marker("needs_compose") and addresses.stack != "compose":
        pytest.skip("needs the containers and networks of the compose stack")


@pytest.fixture(autouse=True)
def conservation(context: TestContext, request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing may be lost, doubled, misplaced or complained about."""
    yield
    if not request.node.stash.get(_IS_RED, True):
        with evidence_plugin.keeping(request.node):
            check_conservation(context)


@pytest.fixture
def workers(addresses: Addresses) -> Iterator[list[Supervised]]:
    """The worker processes; all run and serve again when the test ends."""
    urls = zip(addresses.worker_supervisors, addresses.worker_metrics, strict=True)
    fleet = [
        Supervised(
            name=f"worker-{number}",
            supervisor=supervisor,
            ready_url=f"{metrics.removesuffix('/metrics')}/health/ready",
        )
        for number, (supervisor, metrics) in enumerate(urls, 1)
    ]
    yield fleet
    revive(*fleet)


@pytest.fixture
def api(addresses: Addresses) -> Iterator[Supervised]:
    """The API process; runs and serves again when the test ends."""
    process = Supervised(
        name="api",
        supervisor=addresses.api_supervisor,
        ready_url=f"{addresses.api}/health/ready",
    )
    yield process
    revive(process)


def revive(*fleet: Supervised) -> None:
    """Start what does not run, and wait until all serve."""
    for process in fleet:
        if not process.is_running:
            process.start()
    for process in fleet:
        wait_until(process.is_ready, 45, f"{process.name} to serve")
