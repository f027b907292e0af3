"""What `fetchbox dev` tells the person at the terminal."""

from pathlib import Path

import pytest

from fetchbox.bootstrap.api import BIND_KEY
from fetchbox.bootstrap.listeners import METRICS_KEY
from fetchbox.cli import origin
from fetchbox.cli.banner import Banner
from fetchbox.settings.load import load_settings
from fetchbox.settings.values import Address

HERE = Address(host="127.0.0.1", port=8080)
ELSEWHERE = Address(host="127.0.0.1", port=18_080)


def told(capsys: pytest.CaptureFixture[str], key: str, address: Address, **env: str) -> str:
    settings = load_settings(Path("absent.toml"), env)
    Banner(settings, with_origin=True).tell(key, address)
    written = capsys.readouterr()
    assert written.out == ""
    return written.err


def test_api_comes_with_places_and_a_command_to_try(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, BIND_KEY, HERE)
    assert "http://127.0.0.1:8080 (documentation: http://127.0.0.1:8080/docs)" in text
    assert "data/objects/fetchbox-default/" in text
    assert "data/broker.db" in text
    assert "data/ledger/" in text
    assert "--job-type gallery --wait\n" in text


def test_command_names_a_server_that_is_not_the_usual_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "--wait --server http://127.0.0.1:18080\n" in told(capsys, BIND_KEY, ELSEWHERE)


def test_places_of_other_adapters_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    env = {
        "FETCHBOX__STORAGE__PROVIDER": "s3",
        "FETCHBOX__BROKER__PROVIDER": "iggy",
        "IGGY_CLIENT_SECRET": "secret",
    }
    text = told(capsys, BIND_KEY, HERE, **env)
    assert "objects" not in text
    assert "broker" not in text


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param(METRICS_KEY, "  metrics     http://127.0.0.1:8080/metrics\n", id="metrics"),
        pytest.param(
            origin.NAME, "  origin      http://127.0.0.1:8080/ (sample resources)\n", id="origin"
        ),
        pytest.param("server.operator_bind_addr", "", id="other"),
    ],
)
def test_other_listeners_are_one_line(
    capsys: pytest.CaptureFixture[str], key: str, expected: str
) -> None:
    assert told(capsys, key, HERE) == expected
