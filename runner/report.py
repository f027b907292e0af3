"""What is left of a run for a person to read: report.html and summary.md, from the JUnit file.

`write_reports` is the seam: whatever gathers more evidence hands it over here.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final

from runner.junit import Case, Results, Verdict
from runner.stacks.port import Readiness

STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  color: #1b1f24; background: #fff }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd;
  vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.passed { color: #116329 } .failed, .error { color: #b3261e; font-weight: 600 }
.skipped { color: #6b6b6b }
pre { background: #f5f6f8; padding: .8rem; overflow-x: auto; font-size: 12.5px }
.bar { background: #4c6fae; height: .8rem; display: inline-block }
@media (prefers-color-scheme: dark) { body { background: #14171a; color: #e3e6ea }
  pre { background: #20252a } .passed { color: #6fcf97 } .failed, .error { color: #ff8a80 } }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run."""

    stack: str
    results: Results
    waterfall: Sequence[Readiness]
    #: Name and seconds of each step.
    times: Sequence[tuple[str, float]]
    #: Lines that come first, such as what the stack could not have.
    remarks: Sequence[str] = field(default=())


def write_reports(run: Run, artifacts: Path) -> None:
    """Write report.html and summary.md."""
    (artifacts / "summary.md").write_text(_summary(run), encoding="utf-8")
    (artifacts / "report.html").write_text(_page(run), encoding="utf-8")


def skip_reasons(results: Results) -> list[tuple[str, int]]:
    """Return why tests were skipped, and how many for each reason."""
    skipped = (case.message for case in results.cases if case.verdict is Verdict.SKIPPED)
    return Counter(skipped).most_common()


def _summary(run: Run) -> str:
    lines = [f"# FetchBox integration tests: {run.results.closing_line}", ""]
    lines += [f"Stack: {run.stack}.", *run.remarks, "", "| step | s |", "|---|---|"]
    lines += [f"| {name} | {seconds:.1f} |" for name, seconds in run.times]
    for case in run.results.red:
        lines += ["", f"## {case.verdict}: {case.name}", "", "```", case.text[-4000:], "```"]
    reasons = skip_reasons(run.results)
    if reasons:
        lines += ["", "## Skipped", "", *(f"- {count} x {reason}" for reason, count in reasons)]
    return "\n".join(lines) + "\n"


def _page(run: Run) -> str:
    title = f"FetchBox integration tests: {run.results.closing_line}"
    return "\n".join(
        [
            "<!doctype html><html lang=en><meta charset=utf-8>",
            "<meta name=viewport content='width=device-width'>",
            f"<title>{escape(title)}</title><style>{STYLE}</style>",
            f"<h1>{escape(title)}</h1><p>Stack: {escape(run.stack)}.",
            *(f"<p>{escape(remark)}" for remark in run.remarks),
            *(_failure(case) for case in run.results.red),
            "<h2>Time</h2><table>",
            *(f"<tr><td>{escape(name)}<td class=n>{s:.1f} s" for name, s in run.times),
            "</table><h2>Start-up</h2><table>",
            *_waterfall(run.waterfall),
            "</table><h2>Tests</h2><table><tr><th>test<th>verdict<th>part<th>time",
            *(_row(case) for case in sorted(run.results.cases, key=lambda case: -case.seconds)),
            "</table></html>",
        ]
    )


def _failure(case: Case) -> str:
    output = f"<details><summary>output</summary><pre>{escape(case.output)}</pre></details>"
    return (
        f"<h2 class={case.verdict}>{escape(case.name)}</h2><pre>{escape(case.text)}</pre>"
        f"{output if case.output.strip() else ''}"
    )


def _waterfall(waterfall: Sequence[Readiness]) -> list[str]:
    whole_s = max((ready.ready_s for ready in waterfall), default=1.0) or 1.0
    return [
        f"<tr><td>{escape(ready.name)}<td style='width:60%'><span class=bar style='"
        f"margin-left:{60 * ready.started_s / whole_s:.1f}%;"
        f"width:{60 * (ready.ready_s - ready.started_s) / whole_s:.1f}%'></span>"
        f"<td class=n>{ready.started_s:.1f} to {ready.ready_s:.1f} s"
        for ready in waterfall
    ]


def _row(case: Case) -> str:
    why = f" ({escape(case.message)})" if case.verdict is Verdict.SKIPPED else ""
    return (
        f"<tr><td>{escape(case.name)}<td class={case.verdict}>{case.verdict}{why}"
        f"<td>{escape(case.part)}<td class=n>{case.seconds:.2f} s"
    )
