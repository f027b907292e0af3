"""`fetchbox jobs`: list jobs, show one, read its log."""

from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from fetchbox.api.answers import JobAnswer, JobsAnswer, ShownStatus
from fetchbox.cli.http import segment
from fetchbox.cli.log_reading import LogRange, LogReader
from fetchbox.cli.options import DEFAULT_SERVER, AsJson, Server, Token, connected
from fetchbox.cli.render import (
    show_job,
    show_jobs,
    show_json,
    show_json_line,
    show_log_lines,
    show_note,
)

app: Final = typer.Typer(help="Look at jobs and their logs.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]


@app.command("list")
def list_jobs(  # noqa: PLR0913 - a command's parameters are its options
    *,
    status: Annotated[ShownStatus | None, typer.Option(help="Only jobs of this status.")] = None,
    job_type: Annotated[str | None, typer.Option(help="Only jobs of this type.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only jobs of this tenant.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Jobs per page.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    query = {
        "status": status,
        "job_type": job_type,
        "tenant": tenant,
        "limit": limit,
        "cursor": cursor,
    }
    with connected(server, token) as api:
        page = api.get("/operators/jobs", JobsAnswer, query)
    if as_json:
        show_json(page)
        return
    if not page.jobs:
        show_note("no jobs")
        return
    show_jobs(page.jobs, datetime.now(UTC))
    if page.next_cursor is not None:
        show_note(f"more: --cursor {page.next_cursor}")


@app.command()
def show(
    *, job_id: JobId, server: Server = DEFAULT_SERVER, token: Token = None, as_json: AsJson = False
) -> None:
    """Show one job. Exit code 4: there is none of that id."""
    with connected(server, token) as api:
        job = api.get(f"/operators/jobs/{segment(job_id)}", JobAnswer)
    if as_json:
        show_json(job)
    else:
        show_job(job)


@app.command()
def logs(  # noqa: PLR0913 - a command's parameters are its options
    *,
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the job is over.")] = False,
    since_offset: Annotated[
        int | None, typer.Option(min=0, help="First offset, inclusive.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Events at most; without it, all.")
    ] = None,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Print a job's log; a dropped connection is taken up again."""
    wanted = LogRange(since_offset=since_offset, limit=limit, follow=follow)
    with connected(server, token) as api:
        reader = LogReader(api, job_id, wanted, on_lost=_tell_lost)
        if as_json:
            for line in reader.lines():
                show_json_line(line)
        else:
            show_log_lines(reader.lines())


def _tell_lost(reason: str) -> None:
    show_note(f"{reason}; trying to go on")
