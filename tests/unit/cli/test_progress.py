"""Progress on a terminal and without one."""

import io

from rich.console import Console

from fetchbox.api.answers import job_answer
from fetchbox.cli.progress import LiveBar, PlainLines, Stand, display_on
from fetchbox.model.job import JobState, LastError
from tests.fakes.served import make_job

HALF = Stand(
    job=job_answer(
        make_job(
            resource_total=1000,
            resource_completed=450,
            resource_failed=50,
            last_error=LastError(code="DOWNLOAD_TOO_MANY_REDIRECTS", message="m"),
        )
    ),
    per_second=123.44,
)
OVER = Stand(
    job=job_answer(
        make_job(state=JobState.COMPLETED, resource_total=1000, resource_completed=1000)
    ),
    per_second=99.0,
)


def console(*, is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=80, color_system=None)


def written(on: Console) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def test_terminal_gets_a_bar() -> None:
    on = console(is_terminal=True)
    with display_on(on) as bar:
        assert isinstance(bar, LiveBar)
        bar.show(HALF)
        bar.say("away [for a moment]\x1b")
    text = written(on)
    assert "away [for a moment]\\x1b" in text
    assert "500/1000 50 failed 123.4/s DOWNLOAD_TOO_MANY_REDIRECTS" in text


def test_bar_stands_at_the_end() -> None:
    on = console(is_terminal=True)
    with display_on(on) as bar:
        bar.show(HALF)
        bar.show(OVER)
    assert "completed" in written(on)
    assert "1000/1000" in written(on)


def test_pipe_gets_a_line_per_change() -> None:
    on = console(is_terminal=False)
    with display_on(on) as lines:
        assert isinstance(lines, PlainLines)
        for stand in (HALF, HALF, OVER):
            lines.show(stand)
        lines.say("a remark")
    assert written(on).splitlines() == [
        "in_progress 500/1000, 50 failed, 123.4/s, last error DOWNLOAD_TOO_MANY_REDIRECTS",
        "completed 1000/1000, 0 failed, 99.0/s",
        "a remark",
    ]
