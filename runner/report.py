"""What is left of a run for a person to read: report.html and summary.md.

Everything comes from files (run.json, junit.xml, tests/*/verdict.json, services/*), so that
`python -m runner report` makes the report again when more evidence has come.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from runner import junit
from runner.containers import Container, judge_again, read_containers
from runner.evidence import Evidence, folder_of, read_all, write_verdict
from runner.evidence import FOLDER as TESTS
from runner.junit import Case, Results, Verdict
from runner.stacks.port import Readiness

RUN: Final = "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run."""

    stack: str
    results: Results
    waterfall: Sequence[Readiness] = ()
    #: Name and seconds of each step.
    times: Sequence[tuple[str, float]] = ()
    #: Lines that come first, such as what the stack could not have.
    remarks: Sequence[str] = ()
    #: What else to know of the stack: broker, object store, when.
    facts: Mapping[str, str] = field(default_factory=dict)
    evidence: Sequence[Evidence] = ()
    containers: Sequence[Container] = ()

    def evidence_of(self, case: Case) -> Evidence | None:
        """Return what was gathered of a red test."""
        folder = case.properties.get("evidence") or folder_of(case.name)
        return next((each for each in self.evidence if each.folder == folder), None)

    @property
    def is_green(self) -> bool:
        """Whether tests ran and none failed."""
        return bool(self.results.executed) and not self.results.red

    @property
    def first_line(self) -> str:
        """The verdict, the counts and the stack."""
        counts = self.results.closing_line
        verdict = "PASSED" if self.is_green else "FAILED"
        about = ", ".join([f"{self.stack} stack", *self.facts.values()])
        return f"{verdict}: {counts} ({about})"


def keep_run(run: Run, artifacts: Path) -> None:
    """Write down what no other file says."""
    kept = {
        "stack": run.stack,
        "waterfall": [asdict(each) for each in run.waterfall],
        "times": list(run.times),
        "remarks": list(run.remarks),
        "facts": dict(run.facts),
    }
    (artifacts / RUN).write_text(json.dumps(kept, indent=1), encoding="utf-8")


def read_run(artifacts: Path) -> Run:
    """Read a run again, with all evidence there is by now; raises OSError without junit.xml."""
    path = artifacts / RUN
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    containers = read_containers(artifacts)
    evidence = [judge_again(each, containers) for each in read_all(artifacts)]
    return Run(
        stack=kept.get("stack", "unknown"),
        results=junit.read(artifacts / "junit.xml"),
        waterfall=[Readiness(**each) for each in kept.get("waterfall", ())],
        times=[(name, seconds) for name, seconds in kept.get("times", ())],
        remarks=kept.get("remarks", ()),
        facts=kept.get("facts", {}),
        evidence=evidence,
        containers=containers,
    )


def rebuild(artifacts: Path) -> Run:
    """Judge again and write verdicts, junit.xml, report.html and summary.md."""
    run = read_run(artifacts)
    for each in run.evidence:
        write_verdict(each, artifacts / TESTS / each.folder)
    junit.set_blame(
        artifacts / "junit.xml", {each.folder: str(each.blame) for each in run.evidence}
    )
    write_reports(run, artifacts)
    return run


def write_reports(run: Run, artifacts: Path) -> None:
    """Write report.html, summary.md and a page per story."""
    from runner.page import page, timeline_page  # noqa: PLC0415

    (artifacts / "summary.md").write_text(_summary(run), encoding="utf-8")
    (artifacts / "report.html").write_text(page(run, artifacts), encoding="utf-8")
    for each in run.evidence:
        target = artifacts / TESTS / each.folder / "timeline.html"
        target.write_text(timeline_page(each), encoding="utf-8")


def skip_reasons(results: Results) -> list[tuple[str, int]]:
    """Return why tests were skipped, and how many for each reason."""
    skipped = (case.message for case in results.cases if case.verdict is Verdict.SKIPPED)
    return Counter(skipped).most_common()
