"""Limits and listeners that are configured otherwise than on the shared stack."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from runner.stacks.ports import free_ports
from tests.common.cli import fetchbox_command
from tests.common.manifests import manifest, resource
from tests.common.own_api import own_api
from tests.common.raw_http import send_pieces

pytestmark = pytest.mark.skipif(fetchbox_command() is None, reason="no fetchbox command here")

URL = "http://upstream.invalid/a"
HEADERS = {"Content-Type": "application/json", "X-Fetchbox-Job-Type": "default"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow:
    """An API with narrow limits and a second listener."""

    api: str
    operator: str


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Narrow]:
    (port,) = free_ports(1)
    settings = {
        "FETCHBOX__SERVER__REQUEST_TIMEOUT_MS": "400",
        "FETCHBOX__SERVER__MAX_MANIFEST_BYTES": "2KB",
        "FETCHBOX__SERVER__MAX_RESOURCES_PER_MANIFEST": "2",
        "FETCHBOX__SERVER__MAX_HEADERS_PER_RESOURCE": "1",
        "FETCHBOX__SERVER__MAX_HEADER_VALUE_BYTES": "8",
        "FETCHBOX__SERVER__OPERATOR_BIND_ADDR": f"127.0.0.1:{port}",
    }
    folder: Path = tmp_path_factory.mktemp("narrow")
    with own_api(folder, settings) as url:
        yield Narrow(api=url, operator=f"http://127.0.0.1:{port}")


def post(narrow: Narrow, document: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        body = json.dumps(document)
        return session.post(f"{narrow.api}/jobs", data=body, headers=HEADERS, timeout=5)


def many(count: int) -> dict[str, Any]:
    return manifest(*(resource(f"r{n}", URL) for n in range(count)))


def test_without_any_worker_a_job_is_accepted(narrow: Narrow) -> None:
    """SQLite broker, local storage, no configuration file: the API stands alone."""
    answer = post(narrow, many(2))
    assert answer.status_code == 202, answer.text
    with requests.Session() as session:
        session.trust_env = False
        shown = session.get(f"{narrow.operator}/operators/jobs/{answer.json()['job_id']}").json()
    assert (shown["status"], shown["resource_total"]) == ("queued", 2)
    assert shown["manifest_key"].startswith("s3://fetchbox-default/manifests/default/")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (many(3), "VALIDATION_RESOURCE_COUNT"),
        (manifest(resource("a", URL, headers={"a": "1", "b": "2"})), "VALIDATION_HEADER_LIMIT"),
        (manifest(resource("a", URL, headers={"a": "123456789"})), "VALIDATION_HEADER_LIMIT"),
    ],
    ids=["resources", "headers", "header value"],
)
def test_a_configured_limit_is_kept(narrow: Narrow, document: Any, reason: str) -> None:
    answer = post(narrow, document)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["reason"] == reason


def test_a_configured_size_is_kept(narrow: Narrow) -> None:
    answer = post(narrow, manifest(resource("a", URL), metadata={"padding": "x" * 2048}))
    assert answer.status_code == 413
    assert answer.json()["error"]["details"]["limit"] == 2048


def test_a_body_that_does_not_come_runs_out_of_time(narrow: Narrow) -> None:
    sent = send_pieces(f"{narrow.api}/jobs", {**HEADERS, "Content-Length": "1000"}, [b"{"])
    assert sent.status == 503
    assert json.loads(sent.body)["error"]["code"] == "REQUEST_TIMEOUT"


def test_operators_have_a_listener_of_their_own(narrow: Narrow) -> None:
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(f"{narrow.operator}/operators/health", timeout=5).status_code == 200
        ingest = session.post(f"{narrow.operator}/jobs", data=b"{}", headers=HEADERS, timeout=5)
    assert ingest.status_code == 404
