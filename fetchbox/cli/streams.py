"""`fetchbox streams`: topics and buckets, and a look at them without the API.

Talks to the configured broker itself, unlike the other client commands.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import msgspec
import typer

from fetchbox.broker.port import PartitionSpan
from fetchbox.broker.streams import LOGS, STATUS
from fetchbox.cli.exits import Exit
from fetchbox.cli.render import show_error, show_note, show_text
from fetchbox.cli.service import reported
from fetchbox.model.failure import FailureCode, FetchBoxError

if TYPE_CHECKING:  # imported when a command runs, as in service
    from fetchbox.bootstrap.parts import Parts

T = TypeVar("T")

app: Final = typer.Typer(help="Topics of the broker, and what is on them.", no_args_is_help=True)

JobId = Annotated[str, typer.Option("--job-id", metavar="ID", help="Whose events.")]
Follow = Annotated[bool, typer.Option(help="Wait for more, until Ctrl-C.")]


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn a refusal of the broker or of storage into one line and an exit code."""
    try:
        yield
    except FetchBoxError as error:
        is_away = error.failure.code is FailureCode.SYSTEM_QUEUE_UNAVAILABLE
        show_error(error.failure.message)
        raise typer.Exit(Exit.UNREACHABLE if is_away else Exit.REFUSED) from error


def _run(work: "Callable[[Parts], Awaitable[T]]") -> T:
    from fetchbox.bootstrap.errand import run_errand  # noqa: PLC0415 - see service
    from fetchbox.settings.load import load_settings  # noqa: PLC0415

    with reported(), _refusals():
        return run_errand(load_settings(), work)


@app.command("setup")
def setup() -> None:
    """Create topics, groups and buckets that are missing. Harmless to repeat."""
    from fetchbox.operations.provision import provision  # noqa: PLC0415 - see service
    from fetchbox.settings import derived  # noqa: PLC0415

    async def work(parts: "Parts") -> None:
        topics, buckets = derived.topics(parts.settings), derived.buckets(parts.settings)
        await provision(broker=parts.broker, storage=parts.storage, topics=topics, buckets=buckets)
        for topic in topics:
            show_text(f"topic {topic.name}: {topic.partitions} partitions")
        for bucket in buckets:
            show_text(f"bucket {bucket}")

    _run(work)


@app.command("describe")
def describe() -> None:
    """Show what every partition holds, and where its groups are."""
    from fetchbox.operations.streams import describe_topics  # noqa: PLC0415 - see service

    async def work(parts: "Parts") -> None:
        for topic in await describe_topics(parts.broker):
            if not topic.spans:
                show_text(f"{topic.name:<12} does not exist; run fetchbox streams setup")
            for span in topic.spans:
                show_text(_line(topic.name, span))

    _run(work)


def _line(topic: str, span: PartitionSpan) -> str:
    count = span.next - span.first
    held = f"{count} messages, offsets {span.first} to {span.next - 1}" if count else "empty"
    groups = "".join(f"; {name} at {offset}" for name, offset in span.committed.items())
    return f"{topic:<12} partition {span.partition}: {held}{groups}"


@app.command("publish-task")
def publish_task(
    *,
    file: Annotated[
        typer.FileText, typer.Option(metavar="FILE", help="Task as JSON; - reads stdin.")
    ],
) -> None:
    """Put a download task on jobs.tasks, as a direct producer does.

    Exit code 1: the task is refused. 3: the broker cannot be reached.
    """
    from fetchbox.operations import streams  # noqa: PLC0415 - see service

    text = file.read()

    async def work(parts: "Parts") -> None:
        task, place = await streams.publish_task(parts.broker, text)
        at = "" if place.offset is None else f", offset {place.offset}"
        show_text(f"{task.job_id} {task.resource_id}: partition {place.partition}{at}")
        show_note(f"see `fetchbox streams tail-status --job-id {task.job_id}`")

    _run(work)


@app.command("tail-status")
def tail_status(*, job_id: JobId, follow: Follow = True) -> None:
    """Show the status events of a job, a JSON line each."""
    _tail(STATUS, job_id, follow=follow)


@app.command("tail-logs")
def tail_logs(*, job_id: JobId, follow: Follow = True) -> None:
    """Show the log events of a job, a JSON line each."""
    _tail(LOGS, job_id, follow=follow)


def _tail(topic: str, job_id: str, *, follow: bool) -> None:
    from fetchbox.operations.streams import tail  # noqa: PLC0415 - see service

    async def work(parts: "Parts") -> None:
        async for tailed in tail(parts.broker, topic, job_id, follow=follow):
            typer.echo(msgspec.json.encode(tailed.shown()).decode())

    _run(work)
