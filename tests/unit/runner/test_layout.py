"""The embedded stack and the configuration file that both stacks read fit together."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.stacks.layout import CONFIG, PEERS, POOLS, PORT_NAMES, SERVICES, Layout
from runner.stacks.port import Place
from runner.stacks.ports import free_ports


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    place = Place(root=tmp_path, artifacts=tmp_path / "artifacts", cache=tmp_path / ".cache")
    ports = {name: 20_000 + number for number, name in enumerate(PORT_NAMES)}
    return Layout(place=place, scratch=tmp_path / "scratch", ports=ports)


@pytest.fixture
def config() -> Iterator[dict[str, Any]]:
    with CONFIG.open("rb") as stream:
        yield tomllib.load(stream)


def test_every_pool_of_the_file_has_its_own_ports_here(config: dict[str, Any]) -> None:
    assert set(config["proxy"]["pools"]) == set(POOLS)


def test_every_job_type_uses_a_pool_that_exists(config: dict[str, Any]) -> None:
    used = {entry.get("proxy_pool") for entry in config["handlers"].values()} - {None}
    assert used <= set(POOLS)


def test_pools_keep_credentials_and_order(layout: Layout) -> None:
    variables = layout.service_environment("worker-1")
    pool = json.loads(variables["FETCHBOX__PROXY__POOLS__WITH-CREDENTIALS__PRIMARY"])
    assert pool == [f"http://fetch:box@127.0.0.1:{layout.ports['proxy_auth']}"]
    refusing = json.loads(variables["FETCHBOX__PROXY__POOLS__ONLY-REFUSING__PRIMARY"])
    assert refusing == [layout.url("closed-1"), layout.url("closed-2")]


def test_the_tests_know_the_operator_token_of_the_file(
    layout: Layout, config: dict[str, Any]
) -> None:
    assert layout.addresses().operator_token == config["server"]["operator_token"]


def test_services_have_metrics_of_their_own(layout: Layout) -> None:
    listeners = {
        layout.service_environment(name)["FETCHBOX__TELEMETRY__METRICS_ADDR"] for name in SERVICES
    }
    assert len(listeners) == len(SERVICES)


def test_the_services_reach_storage_through_the_relay_and_the_tests_directly(
    layout: Layout,
) -> None:
    endpoint = layout.service_environment("api")["FETCHBOX__STORAGE__ENDPOINT"]
    assert endpoint == layout.url("minio-relay")
    assert layout.addresses().s3 == layout.url("s3")


def test_the_peers_know_every_listener() -> None:
    from mocks.peers import PORTS  # noqa: PLC0415 - only this test compares the two

    assert set(PEERS) == set(PORTS)


def test_ports_differ_and_are_not_given_to_outgoing_connections() -> None:
    ports = free_ports(30)
    assert len(set(ports)) == 30
    assert all(20_000 <= port < 32_000 for port in ports)
