"""report.html: one file that opens anywhere. No script, no address outside the artifacts folder."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from itertools import groupby, takewhile
from pathlib import Path
from typing import Final
from urllib.parse import quote

from runner.evidence import FOLDER, Evidence
from runner.junit import Case, Verdict
from runner.run import Run, skip_reasons
from runner.story import story

STYLE: Final = Path(__file__).with_name("report.css")
#: Lines of an assertion that are shown without a click.
SHOWN_LINES: Final = 8
SHOWN_CHARS: Final = 500
#: A frame of a test file, and what pytest writes between exceptions that follow from another.
FRAME: Final = re.compile(r"^\S*test_\w+\.py:\d+: in ")
CHAINED: Final = ("During handling of", "The above exception was")
#: Jobs of one test whose stories are shown in the report; the others are in its timeline.html.
SHOWN_JOBS: Final = 2
#: Share of the run from which on a step has its name in the strip.
LABELLED: Final = 0.08
#: The step that is the sum of the others.
WHOLE: Final = "in all"


def page(run: Run, artifacts: Path) -> str:
    """Return the whole report."""
    red = run.results.red
    return "".join(
        [
            _head(f"FetchBox: {run.first_line}"),
            _verdict(run),
            "<main>",
            "<h2>Failures</h2>" if red else "",
            *(_failure(run, case, artifacts) for case in red),
            "<div class=two>",
            _fall("Steps", _steps(run)),
            _fall("Start-up", [(r.name, r.started_s, r.ready_s) for r in run.waterfall]),
            "</div>",
            _skipped(run),
            _containers(run),
            _tests(run),
            "</main></html>",
        ]
    )


def timeline_page(evidence: Evidence) -> str:
    """Return the stories of one test, whole."""
    stories = "".join(story(job, is_whole=True) for job in evidence.jobs) or "<p>No job."
    return (
        f"{_head(f'Timeline of {evidence.test}')}<main><h2>Timeline</h2><article"
        f" class='card failure {evidence.blame.culprit.lower()}'>{_blame(evidence)}"
        f"<p class=name><b>{escape(evidence.test)}</b></p>{stories}</article></main></html>"
    )


@cache
def _style() -> str:
    return STYLE.read_text(encoding="utf-8")


def _head(title: str) -> str:
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport"
        f" content='width=device-width'><title>{escape(title)}</title><style>{_style()}</style>"
    )


def _verdict(run: Run) -> str:
    kind = "passed" if run.is_green else "failed"
    remarks = "".join(f"<p class=remark>{escape(remark)}</p>" for remark in run.remarks)
    about = " &middot; ".join(
        [f"{escape(run.stack)} stack"]
        + [f"{escape(name)} {escape(text)}" for name, text in run.facts.items()]
        + [f"{seconds:.1f} s {name}" for name, seconds in run.times if name == WHOLE]
    )
    steps = {name: seconds for name, seconds in run.times if name != WHOLE}
    whole_s = sum(steps.values()) or 1.0
    parts = "".join(
        f"<span style='flex:{max(seconds, 0.01):.2f}' title='{escape(name)} {seconds:.1f} s'>"
        f"{f'{escape(name)} {seconds:.1f} s' if seconds > LABELLED * whole_s else ''}</span>"
        for name, seconds in steps.items()
    )
    return (
        f"<header class='verdict {kind}'><div><h1>{kind.capitalize()}:"
        f" {escape(run.results.closing_line)}</h1><p>{about}</p>{remarks}"
        f"<div class=strip>{parts}</div></div></header>"
    )


# Failures.


def _failure(run: Run, case: Case, artifacts: Path) -> str:
    evidence = run.evidence_of(case)
    module, _, name = case.name.partition("::")
    visible, rest = _essence(case.text)
    parts = [
        f"<p class=name><b class=mono>{escape(name)}</b>{_aside(case, module)}</p>",
        f"<pre>{escape(visible)}</pre>",
        _more("whole text", case.text) if rest else "",
        _more("output", case.output.strip()),
    ]
    if evidence is None:
        return f"<article class='card failure'>{''.join(parts)}</article>"
    parts.insert(0, _blame(evidence))
    parts += [_stories(evidence), _facts(evidence), _links(evidence, artifacts)]
    return (
        f"<article class='card failure {evidence.blame.culprit.lower()}'>{''.join(parts)}</article>"
    )


def _aside(case: Case, module: str) -> str:
    shown = (_file(module), f"{case.part} part", f"{case.seconds:.2f} s")
    return "".join(f" &middot; {escape(text)}" for text in shown)


def _blame(evidence: Evidence) -> str:
    culprit, fact = evidence.blame.culprit, evidence.blame.fact
    return f"<p class=blame><span class=badge>{culprit}</span>{escape(fact)}</p>"


def _essence(text: str) -> tuple[str, bool]:
    """Return where it failed and what pytest marks as the error, and whether there is more."""
    lines = text.strip().splitlines()
    last = max((at for at, line in enumerate(lines) if line.startswith(CHAINED)), default=-1)
    errors = [line[1:].strip() for line in lines[last + 1 :] if line.startswith("E ")]
    # What a failed wait adds about its job is shown as a timeline.
    errors = [line[:SHOWN_CHARS] for line in takewhile(lambda it: not it.startswith("---"), errors)]
    where = [line for line in lines if FRAME.match(line)]
    shown = [*errors[:SHOWN_LINES], *where[-1:]] if errors else lines[:SHOWN_LINES]
    return "\n".join(shown), len(lines) > len(shown)


def _more(title: str, text: str) -> str:
    if not text:
        return ""
    return f"<details><summary>{title}</summary><pre>{escape(text)}</pre></details>"


def _stories(evidence: Evidence) -> str:
    jobs = sorted(evidence.jobs, key=lambda job: job.divergence is None)
    shown = "".join(story(job) for job in jobs[:SHOWN_JOBS])
    rest = len(jobs) - SHOWN_JOBS
    return shown + (f"<p class=facts>{rest} more jobs in timeline.html</p>" if rest > 0 else "")


def _facts(evidence: Evidence) -> str:
    host = ", ".join(f"{name} {text}" for name, text in evidence.host.items())
    lines = [f"Host at the failure: {host}"] if host else []
    lines += [f"Not looked at: {gap}" for gap in evidence.gaps]
    return "".join(f"<p class=facts>{escape(line)}</p>" for line in lines)


def _links(evidence: Evidence, artifacts: Path) -> str:
    folder = artifacts / FOLDER / evidence.folder
    names = {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}
    return _link_row(f"{FOLDER}/{evidence.folder}", sorted(names | {"timeline.html"}))


def _link_row(folder: str, names: Sequence[str]) -> str:
    links = (f"<a href='{quote(f'{folder}/{name}')}'>{escape(name)}</a>" for name in names)
    return f"<p class=links>{''.join(links)}</p>"


# What every run has.


def _steps(run: Run) -> list[tuple[str, float, float]]:
    """Lay the steps end to end."""
    laid, begun = [], 0.0
    for name, seconds in run.times:
        if name != WHOLE:
            laid.append((name, begun, begun + seconds))
            begun += seconds
    return laid


def _fall(title: str, bars: Sequence[tuple[str, float, float]]) -> str:
    if not bars:
        return ""
    whole_s = max(end for _, _, end in bars) or 1.0
    rows = (
        f"<span>{escape(name)}</span><div class=track><i style='margin-left:"
        f"{100 * begun / whole_s:.1f}%;width:{max(100 * (end - begun) / whole_s, 0.4):.1f}%'></i>"
        f"</div><span class=n>{end - begun:.1f} s</span>"
        for name, begun, end in bars
    )
    return f"<section><h2>{title}</h2><div class='card fall'>{''.join(rows)}</div></section>"


def _skipped(run: Run) -> str:
    reasons = skip_reasons(run.results)
    if not reasons:
        return ""
    rows = (f"<tr><td class=n>{count}<td>{escape(reason)}" for reason, count in reasons)
    count = sum(count for _, count in reasons)
    table = f"<table class=counts>{''.join(rows)}</table>"
    return f"<h2>Skipped: {count}</h2><div class=card>{table}</div>"


def _containers(run: Run) -> str:
    if not run.containers:
        return ""
    rows = (
        f"<tr><td><b>{escape(each.service)}</b><td class=mono>{escape(each.image)}"
        f"<td>{escape(each.status)}{' (out of memory)' if each.was_oom_killed else ''}"
        f"<td class=n>{each.exit_code}<td>{escape(each.health)}<td class=n>{each.restarts}<td>"
        + " ".join(f"<a href='{quote(file)}'>{escape(Path(file).name)}</a>" for file in each.files)
        for each in run.containers
    )
    head = "<tr><th>service<th>image<th>state<th class=n>exit<th>health<th class=n>restarts<th>"
    return f"<h2>Containers</h2><div class=card><table>{head}{''.join(rows)}</table></div>"


def _tests(run: Run) -> str:
    cases = sorted(run.results.cases, key=lambda case: case.name.partition("::")[0])
    slowest = max((case.seconds for case in cases), default=1.0) or 1.0
    rows: list[str] = []
    for module, group in groupby(cases, lambda case: case.name.partition("::")[0]):
        rows += _module(module, list(group), slowest)
    return f"<h2>All tests</h2><div class=card><table>{''.join(rows)}</table></div>"


def _module(module: str, cases: Sequence[Case], slowest: float) -> Iterator[str]:
    whole_s = sum(case.seconds for case in cases)
    yield (
        f"<tr class=module><td>{escape(_file(module))}<td>{len(cases)}<td>"
        f"<td class=n>{whole_s:.1f} s<td>"
    )
    for case in sorted(cases, key=lambda case: -case.seconds):
        why = f": {escape(case.message)}" if case.verdict is Verdict.SKIPPED else ""
        yield (
            f"<tr><td class=mono>{escape(case.name.partition('::')[2])}"
            f"<td class=is-{case.verdict}>{case.verdict}{why}<td>{escape(case.part)}"
            f"<td class=n>{case.seconds:.2f} s<td class=meter>"
            f"<i style='width:{100 * case.seconds / slowest:.0f}%'></i>"
        )


def _file(module: str) -> str:
    """Return the file of a module as JUnit names it."""
    return module.replace(".", "/") + ".py" if module.startswith("tests.") else module
