"""The client commands under one program, and servers for them to talk to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import typer
from typer.testing import CliRunner, Result

from fetchbox.cli import dlq, jobs, ledger
from fetchbox.cli.submit import submit
from tests.fakes.served import ScriptedServer, ServedApi

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def program() -> typer.Typer:
    app = typer.Typer()
    app.command()(submit)
    app.add_typer(jobs.app, name="jobs")
    app.add_typer(dlq.app, name="dlq")
    app.add_typer(ledger.app, name="ledger")
    return app


@pytest.fixture
def run(program: typer.Typer) -> Run:
    """Run a command line on a terminal of 80 columns."""

    def run_line(*words: str, stdin: bytes | str | None = None, **env: str) -> Result:
        named = {"COLUMNS": "80", **env}
        return CliRunner().invoke(program, list(words), input=stdin, env=named)

    return run_line


@pytest.fixture(scope="session")
def served() -> Iterator[ServedApi]:
    with ServedApi().running() as api:
        yield api


@pytest.fixture
def api(served: ServedApi) -> ServedApi:
    """Give an API without a token, as new."""
    served.forget()
    return served


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """Serve a script, given as the answers."""
    with ExitStack() as exits:
        yield lambda *answers: exits.enter_context(ScriptedServer(answers).running())
