"""A job's progress while a command waits for it: a live bar, or plain lines without a terminal.

Goes to stderr, so that stdout holds nothing but the result.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from fetchbox.api.answers import JobAnswer
from fetchbox.cli.render import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """How far a job is; `per_second` counts resources that ended since the wait began."""

    job: JobAnswer
    per_second: float

    @property
    def done(self) -> int:
        """Resources that have ended, either way."""
        return self.job.resource_completed + self.job.resource_failed

    @property
    def last_error(self) -> str:
        """The newest failure, in a word."""
        return plain(self.job.last_error.code) if self.job.last_error else ""


class Display(Protocol):
    """Something that shows progress for as long as it is entered."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Leave the last state standing."""
        ...

    def show(self, stand: Stand) -> None:
        """Show how far the job is now."""
        ...

    def say(self, text: str) -> None:
        """Show a remark."""
        ...


def display_on(console: Console) -> Display:
    """Choose what suits the console."""
    return LiveBar(console) if console.is_terminal else PlainLines(console)


class LiveBar:
    """One line that is redrawn."""

    def __init__(self, console: Console) -> None:
        """Draw nothing yet."""
        self._console = console
        self._progress = Progress(
            TextColumn("{task.fields[status]}"),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8)),
            TextColumn("{task.completed:.0f}/{task.fields[of]}"),
            TextColumn("[red]{task.fields[failed]}"),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[why]}", table_column=_cut(27), markup=False),
            console=console,
            expand=True,
        )
        self._bar = self._progress.add_task(
            "", total=None, status="queued", of="?", failed="", rate="", why=""
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        self._progress.stop()

    def show(self, stand: Stand) -> None:
        """Redraw."""
        failed = stand.job.resource_failed
        self._progress.update(
            self._bar,
            total=stand.job.resource_total,
            completed=stand.done,
            status=stand.job.status,
            of=stand.job.resource_total,
            failed=f"{failed} failed" if failed else "",
            rate=f"{stand.per_second:.1f}/s",
            why=stand.last_error,
        )

    def say(self, text: str) -> None:
        """Print above the bar."""
        self._console.print(plain(text), markup=False)


class PlainLines:
    """One line whenever something changed."""

    def __init__(self, console: Console) -> None:
        """Remember nothing yet."""
        self._console = console
        self._shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        pass

    def show(self, stand: Stand) -> None:
        """Write a line unless it would repeat the last one."""
        job = stand.job
        state = f"{job.status} {stand.done}/{job.resource_total}, {job.resource_failed} failed"
        if state != self._shown:
            self._shown = state
            why = f", last error {stand.last_error}" if stand.last_error else ""
            self.say(f"{state}, {stand.per_second:.1f}/s{why}")

    def say(self, text: str) -> None:
        """Write a line."""
        self._console.print(plain(text), markup=False, soft_wrap=True)


def _cut(width: int) -> Column:
    return Column(no_wrap=True, overflow="ellipsis", max_width=width)
