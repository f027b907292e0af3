"""The compose stack's addresses: a URL for each container of a scaled service."""

import pytest

from runner.stacks.compose import ComposeStack, endpoints_of
from tests.unit.runner.test_port import ENVIRONMENT

SCALED = {
    **ENVIRONMENT,
    "FETCHBOX_TEST_WORKER_METRICS": "http://worker:9090",
    "FETCHBOX_TEST_WORKER_SUPERVISORS": "http://worker:9900",
}
CONTAINERS = ["10.0.0.4", "10.0.0.5", "10.0.0.6"]


def stack(**changes: str) -> ComposeStack:
    return ComposeStack(environment={**SCALED, **changes}, lookup=lambda _: CONTAINERS)


def test_every_container_has_urls_in_the_same_order() -> None:
    addresses = stack().addresses()
    assert addresses.worker_metrics == ",".join(f"http://{each}:9090" for each in CONTAINERS)
    assert addresses.worker_supervisors == ",".join(f"http://{each}:9900" for each in CONTAINERS)
    assert addresses.api == SCALED["FETCHBOX_TEST_API"]


@pytest.mark.parametrize(
    ("broker", "first"),
    [("iggy://iggy:secret@iggy:8090", "iggy"), ("sqlite:///broker/broker.db", "upstream")],
    ids=["Iggy", "SQLite"],
)
def test_a_broker_that_is_a_server_is_waited_for(broker: str, first: str) -> None:
    endpoints = endpoints_of(stack(FETCHBOX_TEST_BROKER=broker).addresses())
    assert endpoints[0].name == first
    assert [each.name for each in endpoints][-3:] == ["worker-1", "worker-2", "worker-3"]


def test_each_has_a_deadline_of_its_own() -> None:
    deadlines = {each.name: each.within_s for each in endpoints_of(stack().addresses())}
    assert deadlines["peers"] < deadlines["iggy"] < deadlines["proxy"] < deadlines["worker-3"]
