"""Options that several client commands share, and the boundary every one of them runs in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from fetchbox.cli.http import ApiClient, ClientError
from fetchbox.cli.render import show_error

DEFAULT_SERVER: Final = "http://127.0.0.1:8080"

Server = Annotated[
    str,
    typer.Option("--server", envvar="FETCHBOX_SERVER", metavar="URL", help="Address of the API."),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="FETCHBOX_OPERATOR_TOKEN",
        metavar="TOKEN",
        help="Operator token, where the API wants one.",
        show_envvar=True,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, for scripts.")]


@contextmanager
def connected(server: str, token: str | None) -> Iterator[ApiClient]:
    """Give a client; a ClientError inside becomes one line on stderr and its exit code."""
    try:
        yield ApiClient(server, token)
    except ClientError as error:
        show_error(str(error))
        raise typer.Exit(error.code) from error
