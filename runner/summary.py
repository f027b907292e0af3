"""summary.md: the report in short, for the summary page of a CI job."""

from collections.abc import Iterator
from typing import Final

from runner.junit import Case
from runner.run import Run, skip_reasons

#: CI systems cut long summaries; the whole text is in report.html.
MOST_FAILURES: Final = 20
SHOWN_CHARS: Final = 2_500


def summary(run: Run) -> str:
    """Return the Markdown."""
    lines = [f"# FetchBox: {run.first_line}", "", *(f"**{remark}**\n" for remark in run.remarks)]
    for case in run.results.red[:MOST_FAILURES]:
        lines += _failure(run, case)
    dropped = len(run.results.red) - MOST_FAILURES
    if dropped > 0:
        lines += ["", f"... and {dropped} more failures: see report.html."]
    lines += ["", "| step | s |", "|---|---|"]
    lines += [f"| {name} | {seconds:.1f} |" for name, seconds in run.times]
    lines += _skipped(run)
    return "\n".join(lines) + "\n"


def _failure(run: Run, case: Case) -> Iterator[str]:
    evidence = run.evidence_of(case)
    yield f"## {case.verdict}: {case.name}"
    yield ""
    if evidence is not None:
        yield f"**{evidence.blame}**"
        yield ""
    yield from ("```", case.text[-SHOWN_CHARS:], "```", "")
    for job in evidence.jobs if evidence else ():
        yield f"- job `{job.job_id}`: {job.divergence or 'no divergence'}"


def _skipped(run: Run) -> Iterator[str]:
    reasons = skip_reasons(run.results)
    if reasons:
        yield from ("", "## Skipped", "")
        yield from (f"- {count} x {reason}" for reason, count in reasons)
