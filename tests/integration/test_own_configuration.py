"""What the shared stack does not have: narrow limits, a second listener, an operator token.

On an API process of its own, with the SQLite broker and a local folder, and no worker.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from runner.stacks.ports import free_ports
from tests.common.cli import fetchbox_command, run_fetchbox
from tests.common.manifests import manifest, resource
from tests.common.own_api import own_api
from tests.common.raw_http import send_pieces

pytestmark = pytest.mark.skipif(fetchbox_command() is None, reason="no fetchbox command here")

TOKEN = "t0ken-of-operators"
TOKEN_HEADER = "X-Fetchbox-Operator-Token"
URL = "http://upstream.invalid/a"
ROUTES = [
    ("GET", "/operators/jobs"),
    ("GET", "/operators/jobs/unknown"),
    ("GET", "/operators/jobs/unknown/logs"),
    ("GET", "/operators/health"),
    ("GET", "/operators/dlq"),
    ("POST", "/operators/dlq/replay"),
    ("POST", "/operators/dlq/purge"),
    ("GET", "/operators/ledger/failures"),
]
HEADERS = {"Content-Type": "application/json", "X-Fetchbox-Job-Type": "default"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Strict:
    """The addresses of such an API."""

    api: str
    operator: str


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strict]:
    (port,) = free_ports(1)
    settings = {
        "FETCHBOX__SERVER__REQUEST_TIMEOUT_MS": "1500",
        "FETCHBOX__SERVER__MAX_MANIFEST_BYTES": "2KB",
        "FETCHBOX__SERVER__MAX_RESOURCES_PER_MANIFEST": "2",
        "FETCHBOX__SERVER__MAX_HEADERS_PER_RESOURCE": "1",
        "FETCHBOX__SERVER__MAX_HEADER_VALUE_BYTES": "8",
        "FETCHBOX__SERVER__OPERATOR_TOKEN": TOKEN,
        "FETCHBOX__SERVER__OPERATOR_BIND_ADDR": f"127.0.0.1:{port}",
    }
    folder: Path = tmp_path_factory.mktemp("strict")
    with own_api(folder, settings) as url:
        yield Strict(api=url, operator=f"http://127.0.0.1:{port}")


def post(strict: Strict, document: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        body = json.dumps(document)
        return session.post(f"{strict.api}/jobs", data=body, headers=HEADERS, timeout=5)


def many(count: int) -> dict[str, Any]:
    return manifest(*(resource(f"r{n}", URL) for n in range(count)))


def test_without_any_worker_a_job_is_accepted(strict: Strict) -> None:
    """SQLite broker, local storage, no configuration file: the API stands alone."""
    answer = post(strict, many(2))
    assert answer.status_code == 202, answer.text
    path = f"/operators/jobs/{answer.json()['job_id']}"
    shown = ask(strict, "GET", path, {TOKEN_HEADER: TOKEN}).json()
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
def test_a_configured_limit_is_kept(strict: Strict, document: Any, reason: str) -> None:
    answer = post(strict, document)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["reason"] == reason


def test_a_configured_size_is_kept(strict: Strict) -> None:
    answer = post(strict, manifest(resource("a", URL), metadata={"padding": "x" * 2048}))
    assert answer.status_code == 413
    assert answer.json()["error"]["details"]["limit"] == 2048


def test_a_body_that_does_not_come_runs_out_of_time(strict: Strict) -> None:
    sent = send_pieces(f"{strict.api}/jobs", {**HEADERS, "Content-Length": "1000"}, [b"{"])
    assert sent.status == 503
    assert json.loads(sent.body)["error"]["code"] == "REQUEST_TIMEOUT"


def ask(strict: Strict, verb: str, path: str, headers: dict[str, str]) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(verb, strict.operator + path, headers=headers, timeout=5)


def test_the_listener_of_operators_takes_no_jobs(strict: Strict) -> None:
    assert ask(strict, "POST", "/jobs", HEADERS).status_code == 404


@pytest.mark.parametrize(("verb", "path"), ROUTES)
def test_without_the_token_nothing_is_told(strict: Strict, verb: str, path: str) -> None:
    for headers in (
        {},
        {TOKEN_HEADER: ""},
        {TOKEN_HEADER: "wrong"},
        {TOKEN_HEADER: TOKEN[:-1]},
        {TOKEN_HEADER: f"{TOKEN}x"},
    ):
        answer = ask(strict, verb, path, headers)
        assert answer.status_code == 401, headers
        assert answer.json()["error"]["code"] == "UNAUTHORIZED"
        assert TOKEN not in answer.text


@pytest.mark.parametrize(("verb", "path"), ROUTES)
def test_with_the_token_operators_get_in(strict: Strict, verb: str, path: str) -> None:
    assert ask(strict, verb, path, {TOKEN_HEADER: TOKEN}).status_code in {200, 404}


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_health_is_open(strict: Strict, path: str) -> None:
    assert ask(strict, "GET", path, {}).status_code == 200


def test_the_command_line_takes_the_token(strict: Strict) -> None:
    env = {"FETCHBOX_SERVER": strict.operator}
    without = run_fetchbox("jobs", "list", "--json", env=env)
    with_it = run_fetchbox("jobs", "list", "--json", env={**env, "FETCHBOX_OPERATOR_TOKEN": TOKEN})

    assert without.returncode == 1
    assert with_it.returncode == 0, with_it.stderr
    assert TOKEN not in without.stderr + with_it.stderr
