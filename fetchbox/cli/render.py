"""How answers look on a terminal: tables that fit 80 columns, single lines, JSON.

Text from elsewhere is shown as text: no markup, no control characters.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fetchbox.api.answers import DeadLetterAnswer, JobAnswer, PlaceAnswer
from fetchbox.cli.log_reading import LogLine

_STYLES: Final = {
    "queued": "cyan",
    "in_progress": "blue",
    "completed": "green",
    "failed": "red",
    "warn": "yellow",
    "error": "red",
}
#: Of a job's id.
_ID_WIDTH: Final = 36
_AGES: Final = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
#: Fields of a log event that its line repeats already, or that every line would have.
_OWN_FIELDS: Final = frozenset({"event", "worker_id", "job_type", "tenant"})
#: Fields that are looked for first; the others follow as they come.
_FIRST_FIELDS: Final = ("code", "http_status", "proxy", "attempts", "bytes", "duration_ms")


def out() -> Console:
    """Return stdout."""
    return Console(highlight=False)


def err() -> Console:
    """Return stderr."""
    return Console(stderr=True, highlight=False)


def plain(text: str) -> str:
    """Show control characters instead of obeying them."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character in "\r\n\t" else ascii(character)[1:-1]


def show_json(answer: Struct) -> None:
    """Write an answer as indented JSON."""
    typer.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())


def show_json_line(answer: Struct) -> None:
    """Write an answer as one line of JSON."""
    typer.echo(msgspec.json.encode(answer).decode())


def show_text(text: str) -> None:
    """Write a line to stdout, never wrapped."""
    typer.echo(plain(text))


def show_note(text: str) -> None:
    """Write a line to stderr: what is worth knowing, but no result."""
    typer.echo(plain(text), err=True)


def show_error(text: str) -> None:
    """Write a line to stderr: why the command cannot go on."""
    typer.echo(f"{typer.style('error:', fg='red')} {plain(text)}", err=True)


def show_jobs(jobs: Sequence[JobAnswer], now: datetime) -> None:
    """Write one row per job."""
    table = _table()
    table.add_column("JOB", no_wrap=True, min_width=36)
    table.add_column("STATUS", no_wrap=True, min_width=11)
    table.add_column("DONE", justify="right", no_wrap=True)
    table.add_column("FAILED", justify="right", no_wrap=True)
    table.add_column("TYPE", overflow="ellipsis")
    table.add_column("AGE", justify="right", no_wrap=True)
    for job in jobs:
        table.add_row(
            plain(job.job_id),
            _coloured(job.status),
            f"{job.resource_completed}/{job.resource_total}",
            str(job.resource_failed or ""),
            Text(plain(job.job_type)),
            age(job.created_at, now),
        )
    out().print(table)


def show_job(job: JobAnswer) -> None:
    """Write everything known about one job, a line each."""
    error = job.last_error
    facts = {
        "job": job.job_id,
        "status": job.status if job.status == job.state else f"{job.status} ({job.state})",
        "resources": _counts(job),
        "job type": job.job_type,
        "tenant": job.tenant,
        "created": job.created_at,
        "updated": job.updated_at,
        "manifest": job.manifest_key or "none",
        "log": _place(job.log_cursor),
        "trace": job.trace_id or "none",
        "origin": job.origin.value,
    }
    if error is not None:
        context = " ".join(f"{name}={value}" for name, value in error.context.items())
        facts["last error"] = f"{error.code}: {error.message}" + (
            f" ({context})" if context else ""
        )
    if job.dlq is not None:
        facts["dead letter"] = _place(job.dlq)
    for name, text in facts.items():
        show_text(f"{name:<12} {text}")


def show_failures(jobs: Sequence[JobAnswer], now: datetime) -> None:
    """Write two lines per job: which, and why."""
    table = _table()
    table.add_column("JOB", no_wrap=True, min_width=36)
    table.add_column("LAST ERROR", overflow="fold")
    table.add_column("AGE", justify="right", no_wrap=True)
    for job in jobs:
        error = job.last_error
        why = f"{error.code}\n{plain(error.message)}" if error else ""
        which = f"{plain(job.job_id)}\n{plain(job.job_type)}, {_counts(job)}"
        table.add_row(Text(which), Text(why), age(job.updated_at, now))
    out().print(table)


def show_dead_letters(entries: Sequence[DeadLetterAnswer], now: datetime) -> None:
    """Write two lines per dead letter: which resource, and why."""
    table = _table()
    table.add_column("PLACE", no_wrap=True)
    table.add_column("JOB, RESOURCE", no_wrap=True, min_width=_ID_WIDTH)
    table.add_column("WHY", overflow="fold")
    table.add_column("AGE", justify="right", no_wrap=True)
    for entry in entries:
        table.add_row(
            f"{entry.partition}:{entry.offset}",
            Text(f"{_folded(plain(entry.job_id)) or '-'}\n{_folded(plain(entry.resource_id))}"),
            Text(f"{plain(entry.code)}\n{plain(entry.message)}"),
            age(entry.failed_at, now),
        )
    out().print(table)


def show_log_lines(lines: Iterable[LogLine]) -> None:
    """Write log events as they come, a line each."""
    console = out()
    for line in lines:
        console.print(_log_text(line), soft_wrap=True)


def _log_text(line: LogLine) -> Text:
    moment = datetime.fromtimestamp(line.timestamp_ms / 1000, UTC)
    names = dict.fromkeys((*_FIRST_FIELDS, *line.fields))
    shown = [name for name in names if name in line.fields and name not in _OWN_FIELDS]
    fields = "".join(f" {name}={line.fields[name]}" for name in shown)
    return Text.assemble(
        (f"{moment:%H:%M:%S}.{line.timestamp_ms % 1000:03} ", "dim"),
        (f"{line.level.upper():<5} ", _STYLES.get(line.level, "")),
        (f"{plain(line.resource_id)} ", "bold"),
        plain(line.message),
        (plain(fields), "dim"),
    )


def age(since: str, now: datetime) -> str:
    """Tell how long ago something was, in its largest unit."""
    try:
        seconds = int((now - datetime.fromisoformat(since)).total_seconds())
    except ValueError:
        return "?"
    return next((f"{seconds // size}{unit}" for size, unit in _AGES if seconds >= size), "now")


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")


def _coloured(status: str) -> Text:
    return Text(status, style=_STYLES.get(status, ""))


def _counts(job: JobAnswer) -> str:
    done = f"{job.resource_completed} of {job.resource_total} completed"
    return f"{done}, {job.resource_failed} failed" if job.resource_failed else done


def _folded(text: str) -> str:
    """Break an id here: a column that may wrap takes from the others what it does not need."""
    return "\n".join(text[at : at + _ID_WIDTH] for at in range(0, len(text), _ID_WIDTH))


def _place(place: PlaceAnswer) -> str:
    return f"{place.stream} partition {place.partition} offset {place.offset}"
