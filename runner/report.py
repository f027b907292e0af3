"""What is left of a run for a person to read: report.html, a page per story, and summary.md."""

from pathlib import Path

from runner import junit
from runner.evidence import FOLDER, write_verdict
from runner.page import page, timeline_page
from runner.run import Run, read_run
from runner.summary import summary


def write_reports(run: Run, artifacts: Path) -> None:
    """Write everything; the evidence is linked, never copied into the report."""
    (artifacts / "summary.md").write_text(summary(run), encoding="utf-8")
    (artifacts / "report.html").write_text(page(run, artifacts), encoding="utf-8")
    for each in run.evidence:
        folder = artifacts / FOLDER / each.folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "timeline.html").write_text(timeline_page(each), encoding="utf-8")


def rebuild(artifacts: Path) -> Run:
    """Judge again with all evidence there is by now; raises OSError without junit.xml."""
    run = read_run(artifacts)
    for each in run.evidence:
        write_verdict(each, artifacts / FOLDER / each.folder)
    lines = {each.folder: str(each.blame) for each in run.evidence}
    junit.set_blame(artifacts / "junit.xml", lines)
    write_reports(run, artifacts)
    return run
