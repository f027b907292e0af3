"""`fetchbox ledger`: export and prune the ledger, list the latest failures. Through the API."""

import os
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer

from fetchbox.api.answers import FailuresAnswer, PruneAnswer
from fetchbox.cli.exits import Exit
from fetchbox.cli.http import ApiClient, ClientError
from fetchbox.cli.options import DEFAULT_SERVER, AsJson, Server, Token, connected
from fetchbox.cli.render import show_failures, show_json, show_note, show_text

NDJSON: Final = "application/x-ndjson"
_STDOUT: Final = Path("-")

app: Final = typer.Typer(help="Upkeep of the ledger.", no_args_is_help=True)


@app.command()
def export(
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where to; - writes to stdout.")
    ],
    server: Server = DEFAULT_SERVER,
    token: Token = None,
) -> None:
    """Write every job with its resources, one JSON document a line.

    FILE appears only once it is complete.
    """
    with connected(server, token) as api:
        if out == _STDOUT:
            _copy(api, sys.stdout.buffer)
            return
        count = _export_to(api, out)
    show_note(f"{count} jobs written to {out}")


@app.command()
def prune(*, server: Server = DEFAULT_SERVER, token: Token = None, as_json: AsJson = False) -> None:
    """Apply the retention now instead of at the next hour."""
    with connected(server, token) as api:
        done = api.post("/operators/ledger/prune", PruneAnswer)
    if as_json:
        show_json(done)
    else:
        show_text(f"{done.pruned} jobs removed")


@app.command()
def failures(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Jobs at most.")] = 20,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs that failed last."""
    with connected(server, token) as api:
        found = api.get("/operators/ledger/failures", FailuresAnswer, {"limit": limit})
    if as_json:
        show_json(found)
    elif found.jobs:
        show_failures(found.jobs, datetime.now(UTC))
    else:
        show_note("no failures")


def _export_to(api: ApiClient, path: Path) -> int:
    """Write beside `path`, then put it in place: a broken export leaves nothing behind."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _unwritable(path, error) from error
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as target:
            count = _copy(api, target)
        part.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)
    return count


def _copy(api: ApiClient, target: BinaryIO) -> int:
    with api.stream("/operators/ledger/export", NDJSON) as lines:
        return _write(lines, target)


def _write(lines: Iterable[bytes], target: BinaryIO) -> int:
    count = 0
    for line in lines:
        target.write(line + b"\n")
        count += 1
    target.flush()
    return count


def _unwritable(path: Path, error: OSError) -> ClientError:
    return ClientError(f"{path} cannot be written: {error.strerror}", Exit.REFUSED)
