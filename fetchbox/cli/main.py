"""The `fetchbox` command: services, client commands and checks under one name.

Light to import: what runs a service is imported when a service is run.
"""

import atexit
import os
import sys
from typing import Annotated, Final

import typer

from fetchbox.cli import config, dlq, jobs, ledger, service, streams
from fetchbox.cli.submit import submit
from fetchbox.version import __version__

app: Final = typer.Typer(
    help="Take a manifest of URLs over HTTP, download each through proxies, store it in S3.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("api")(service.api)
app.command("worker")(service.worker)
app.command("dev")(service.dev)
app.command("submit")(submit)
app.add_typer(jobs.app, name="jobs")
app.add_typer(dlq.app, name="dlq")
app.add_typer(ledger.app, name="ledger")
app.add_typer(streams.app, name="streams")
app.add_typer(config.app, name="config")


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Take a manifest of URLs over HTTP, download each through proxies, store it in S3."""


def main() -> None:
    """Run the command line."""
    try:
        app()
    except SystemExit as end:
        _leave(end.code)
        raise


def _leave(code: object) -> None:
    """End at once where the Iggy client is loaded.

    Its threads outlive the event loop, and abort the process (1 in 4 measured, exit code 134) when
    they meet an interpreter that is being finalized.
    """
    if "apache_iggy" not in sys.modules:
        return
    atexit._run_exitfuncs()  # noqa: SLF001 - all of an orderly end but the finalization
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
