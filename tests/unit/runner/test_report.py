"""The report shows what failed, why tests were skipped and where the time went."""

from pathlib import Path

from runner.junit import Case, Results, Verdict
from runner.report import Run, write_reports
from runner.stacks.port import Readiness

RUN = Run(
    stack="embedded",
    results=Results(
        cases=[
            Case(part="parallel", name="t::good", seconds=1, verdict=Verdict.PASSED),
            Case(
                part="parallel",
                name="t::bad",
                seconds=2,
                verdict=Verdict.FAILED,
                text="assert <nothing> == 'stored'",
                output="last log line",
            ),
            *(
                Case(
                    part="parallel",
                    name=f"t::skipped_{number}",
                    seconds=0,
                    verdict=Verdict.SKIPPED,
                    message="needs Iggy",
                )
                for number in (1, 2)
            ),
        ]
    ),
    waterfall=[Readiness(name="worker-1", started_s=0.5, ready_s=2.0)],
    times=[("parallel", 31.4)],
    remarks=["No container registry."],
)


def test_summary_says_verdict_failures_and_skips(tmp_path: Path) -> None:
    write_reports(RUN, tmp_path)
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("# FetchBox integration tests: 1 passed, 1 failed, 2 skipped")
    assert "assert <nothing> == 'stored'" in text
    assert "- 2 x needs Iggy" in text
    assert "| parallel | 31.4 |" in text


def test_page_is_self_contained_and_escapes(tmp_path: Path) -> None:
    write_reports(RUN, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "assert &lt;nothing&gt;" in page
    assert "last log line" in page
    assert "No container registry." in page
    assert "margin-left:15.0%;width:45.0%" in page
    assert not any(word in page for word in ("src=", "href=", "http"))
