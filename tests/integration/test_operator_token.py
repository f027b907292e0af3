"""The operator token, on an API of our own that has one."""

from collections.abc import Iterator

import pytest
import requests

from tests.common.cli import fetchbox_command, run_fetchbox
from tests.common.own_api import own_api

pytestmark = pytest.mark.skipif(fetchbox_command() is None, reason="no fetchbox command here")

TOKEN = "t0ken-of-operators"
NAME = "X-Fetchbox-Operator-Token"
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


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = {"FETCHBOX__SERVER__OPERATOR_TOKEN": TOKEN}
    with own_api(tmp_path_factory.mktemp("guarded"), settings) as url:
        yield url


def ask(url: str, verb: str, path: str, headers: dict[str, str]) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(verb, url + path, headers=headers, timeout=5)


@pytest.mark.parametrize(("verb", "path"), ROUTES)
def test_without_the_token_nothing_is_told(guarded: str, verb: str, path: str) -> None:
    for headers in ({}, {NAME: ""}, {NAME: "wrong"}, {NAME: TOKEN[:-1]}, {NAME: f"{TOKEN}x"}):
        answer = ask(guarded, verb, path, headers)
        assert answer.status_code == 401, headers
        assert answer.json()["error"]["code"] == "UNAUTHORIZED"
        assert TOKEN not in answer.text


@pytest.mark.parametrize(("verb", "path"), ROUTES)
def test_with_the_token_operators_get_in(guarded: str, verb: str, path: str) -> None:
    assert ask(guarded, verb, path, {NAME: TOKEN}).status_code in {200, 404}


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_health_is_open(guarded: str, path: str) -> None:
    assert ask(guarded, "GET", path, {}).status_code == 200


def test_the_command_line_takes_the_token(guarded: str) -> None:
    env = {"FETCHBOX_SERVER": guarded}
    without = run_fetchbox("jobs", "list", "--json", env=env)
    with_it = run_fetchbox("jobs", "list", "--json", env={**env, "FETCHBOX_OPERATOR_TOKEN": TOKEN})

    assert without.returncode == 1
    assert with_it.returncode == 0, with_it.stderr
    assert TOKEN not in without.stderr + with_it.stderr
