"""The variables that tell the tests where everything is."""

import pytest

from runner.stacks.port import Addresses, StackError

ENVIRONMENT = {
    "FETCHBOX_TEST_STACK": "compose",
    "FETCHBOX_TEST_API": "http://api:8080",
    "FETCHBOX_TEST_OPERATOR": "http://api:8080",
    "FETCHBOX_TEST_API_METRICS": "http://api:9090",
    "FETCHBOX_TEST_WORKER_METRICS": "http://worker-1:9090,http://worker-2:9090",
    "FETCHBOX_TEST_UPSTREAM": "http://upstream:8080",
    "FETCHBOX_TEST_HIDDEN_UPSTREAM": "http://hidden-upstream:8080",
    "FETCHBOX_TEST_PROXY": "http://proxy:8080",
    "FETCHBOX_TEST_PEERS": "http://peers:18000",
    "FETCHBOX_TEST_S3": "http://minio:9000",
    "FETCHBOX_TEST_S3_ACCESS_KEY": "key",
    "FETCHBOX_TEST_S3_SECRET_KEY": "secret",
    "FETCHBOX_TEST_BROKER": "iggy://iggy:secret@iggy:8090",
    "FETCHBOX_TEST_LOGS": "/logs",
    "FETCHBOX_TEST_API_SUPERVISOR": "http://api:9100",
    "FETCHBOX_TEST_WORKER_SUPERVISORS": "http://worker-1:9100,http://worker-2:9100",
    "FETCHBOX_TEST_ARTIFACTS": "/artifacts",
    "FETCHBOX_TEST_OPERATOR_TOKEN": "",
}


def test_addresses_come_from_the_environment_and_go_back_to_it() -> None:
    assert Addresses.from_environment(ENVIRONMENT).environment() == ENVIRONMENT


def test_all_missing_variables_are_named_at_once() -> None:
    given = {**ENVIRONMENT, "FETCHBOX_TEST_API": ""}
    del given["FETCHBOX_TEST_S3"]
    with pytest.raises(StackError, match="not set: FETCHBOX_TEST_API, FETCHBOX_TEST_S3"):
        Addresses.from_environment(given)


def test_every_service_is_waited_for() -> None:
    endpoints = Addresses.from_environment(ENVIRONMENT).endpoints()
    assert [(each.name, each.url) for each in endpoints] == [
        ("upstream", "http://upstream:8080/__admin/health"),
        ("hidden-upstream", "http://hidden-upstream:8080/__admin/health"),
        ("proxy", "http://proxy:8080/__admin/health"),
        ("peers", "http://peers:18000/healthz"),
        ("s3", "http://minio:9000"),
        ("api", "http://api:8080/health/ready"),
        ("worker-1", "http://worker-1:9090/health/ready"),
        ("worker-2", "http://worker-2:9090/health/ready"),
    ]
