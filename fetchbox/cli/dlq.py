"""`fetchbox dlq`: list, replay and delete dead letters."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
import typer

from fetchbox.api.answers import DeadLetterAnswer, DeadLettersAnswer, PurgeAnswer, ReplayAnswer
from fetchbox.cli.options import DEFAULT_SERVER, AsJson, Server, Token, connected
from fetchbox.cli.render import show_dead_letters, show_json, show_note, show_text

app: Final = typer.Typer(help="Dead letters: tasks given up on.", no_args_is_help=True)

JobId = Annotated[str | None, typer.Option(help="Only of this job.")]
Code = Annotated[
    str | None, typer.Option(metavar="CODE", help="Only with this code, e.g. DOWNLOAD_HTTP_5XX.")
]
Partition = Annotated[int | None, typer.Option(min=0, help="One place; needs --offset.")]
Offset = Annotated[int | None, typer.Option(min=0, help="One place; needs --partition.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Dead letters at most.")]

_DEFAULT_LIMIT: Final = 1000
_SKIPPED: Final = (
    "skipped: resources stored by now, older letters of the same resource, letters without a task"
)


@app.command("list")
def list_entries(  # noqa: PLR0913 - a command's parameters are its options
    *,
    job_id: JobId = None,
    code: Code = None,
    partition: Partition = None,
    offset: Offset = None,
    limit: Limit = _DEFAULT_LIMIT,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters. PLACE is partition:offset."""
    query = _wanted(job_id, code, partition, offset, limit)
    with connected(server, token) as api:
        found = api.get("/operators/dlq", DeadLettersAnswer, query)
    if as_json:
        show_json(found)
        return
    if found.entries:
        show_dead_letters(found.entries, datetime.now(UTC))
    else:
        show_note("no dead letters")
    _tell_limit(found.entries, limit)


@app.command()
def replay(  # noqa: PLR0913 - a command's parameters are its options
    *,
    job_id: JobId = None,
    code: Code = None,
    partition: Partition = None,
    offset: Offset = None,
    limit: Limit = _DEFAULT_LIMIT,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Queue matching tasks again, each resource once, but for those stored by now."""
    wanted = _wanted(job_id, code, partition, offset, limit)
    body = msgspec.json.encode({name: value for name, value in wanted.items() if value is not None})
    with connected(server, token) as api:
        done = api.post("/operators/dlq/replay", ReplayAnswer, body)
    if as_json:
        show_json(done)
    else:
        show_text(f"{done.replayed} queued again, {done.skipped} skipped")
        if done.skipped:
            show_note(_SKIPPED)
        _tell_limit(done.entries, limit)


@app.command()
def purge(
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Delete every dead letter. Cannot be undone."""
    if not yes:
        question = f"Delete every dead letter of {server}? This cannot be undone."
        typer.confirm(question, abort=True, err=True)
    with connected(server, token) as api:
        done = api.post("/operators/dlq/purge", PurgeAnswer)
    if as_json:
        show_json(done)
    else:
        show_text(f"{done.purged} dead letters deleted")


def _tell_limit(entries: Sequence[DeadLetterAnswer], limit: int) -> None:
    if len(entries) >= limit:
        show_note(f"{limit} dead letters looked at; there may be more: raise --limit")


def _wanted(
    job_id: str | None, code: str | None, partition: int | None, offset: int | None, limit: int
) -> dict[str, str | int | None]:
    if (partition is None) != (offset is None):
        message = "--partition and --offset go together"
        raise typer.BadParameter(message)
    return {
        "job_id": job_id,
        "code": code,
        "partition": partition,
        "offset": offset,
        "limit": limit,
    }
