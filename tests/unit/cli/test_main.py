"""The command itself: what it offers, how quickly, and what it says of a bad configuration."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fetchbox.cli.exits import Exit
from fetchbox.cli.main import app
from fetchbox.version import __version__

SECRET = "do-not-show-me"
#: Imports that cost more than all the client commands together.
HEAVY = ("litestar", "aiohttp", "apsw", "obstore", "pydantic", "apache_iggy", "prometheus_client")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Run commands in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return CliRunner(env={"COLUMNS": "200"})


def test_version_is_the_package_s(run: CliRunner) -> None:
    result = run.invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (Exit.OK, f"{__version__}\n")


def test_help_names_every_command(run: CliRunner) -> None:
    text = run.invoke(app, ["--help"]).stdout
    commands = ("api", "worker", "dev", "submit", "jobs", "dlq", "ledger", "config", "streams")
    assert [name for name in commands if f" {name} " not in text] == []


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    code = (
        "import sys; import fetchbox.cli.main; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


def test_unknown_option_is_a_usage_error(run: CliRunner) -> None:
    assert run.invoke(app, ["api", "--port", "1"]).exit_code == Exit.USAGE


def test_check_shows_what_is_in_effect_and_where_it_comes_from(run: CliRunner) -> None:
    env = {"FETCHBOX__WORKER__MAX_INFLIGHT_TASKS": "5", "FETCHBOX__WRKER__X": "1"}
    result = run.invoke(app, ["config", "check"], env={**env, "S3_ACCESS_KEY": SECRET})
    assert result.exit_code == Exit.OK
    lines = result.stdout.splitlines()
    assert any(
        line.startswith("worker.max_inflight_tasks = 5 ")
        and line.endswith("# FETCHBOX__WORKER__MAX_INFLIGHT_TASKS")
        for line in lines
    )
    assert "server.bind_addr = 0.0.0.0:8080" in lines
    assert "warning: wrker (from FETCHBOX__WRKER__X) is unknown" in result.stderr
    assert "the configuration is sound" in result.stderr
    assert SECRET not in result.output


@pytest.mark.parametrize(
    "words", [("config", "check"), ("api",), ("worker",), ("dev",)], ids=" ".join
)
def test_every_error_of_configuration_is_a_line(run: CliRunner, words: tuple[str, ...]) -> None:
    env = {"FETCHBOX__WORKER__MAX_INFLIGHT_TASKS": "0", "FETCHBOX__BROKER__PROVIDER": "kafka"}
    result = run.invoke(app, list(words), env=env)
    assert result.exit_code == Exit.CONFIG
    assert [line.split(" = ")[0] for line in result.stderr.splitlines()] == [
        "error: broker.provider",
        "error: worker.max_inflight_tasks",
    ]
    assert result.stdout == ""


def test_bad_handler_path_is_found_by_the_check(run: CliRunner) -> None:
    env = {"FETCHBOX__HANDLERS__SHOP__HANDLER": "nowhere.Shop"}
    result = run.invoke(app, ["config", "check"], env=env)
    assert result.exit_code == Exit.CONFIG
    assert "handlers.shop.handler = nowhere.Shop (from FETCHBOX__HANDLERS__" in result.stderr


def test_no_configuration_at_all_is_sound(run: CliRunner) -> None:
    result = run.invoke(app, ["config", "check"])
    assert result.exit_code == Exit.OK
    assert "the configuration is sound" in result.stderr


def test_flags_are_checked_like_everything_else(run: CliRunner) -> None:
    result = run.invoke(app, ["api", "--address", "8080"])
    assert result.exit_code == Exit.CONFIG
    assert "server.bind_addr = 8080 (from the command line)" in result.stderr
