"""The report shows what failed and whose fault it is, why tests were skipped, where time went."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from runner import junit
from runner.blame import Facts
from runner.evidence import Evidence, write
from runner.junit import Case, Results, Verdict
from runner.report import rebuild, write_reports
from runner.run import Run, keep_run, remarks
from runner.stacks.port import Addresses, Readiness
from runner.timeline import Hop, Sighting, Timeline

JOB = Timeline(
    job_id="job-1",
    sightings=[
        Sighting(at_ms=1_000, source="api", text="POST /jobs <202>", hop=Hop.ACCEPTED),
        Sighting(at_ms=1_020, source="jobs.tasks", text="offset 3", hop=Hop.PUBLISHED),
    ],
    resources=frozenset({"small"}),
)
EVIDENCE = Evidence(
    test="tests/integration/test_t.py::bad",
    phase="call",
    began_ms=900,
    failed_ms=2_000,
    facts=Facts(error_type="AssertionError", error_text="1 == 2", divergence="claimed: never seen"),
    host={"CPU pressure": "7 %"},
    jobs=[JOB],
    gaps=["proxy journal: refused"],
)
RUN = Run(
    stack="embedded",
    results=Results(
        cases=[
            Case(part="parallel", name="t::good", seconds=1, verdict=Verdict.PASSED),
            Case(
                part="parallel",
                name="tests.integration.test_t::bad",
                seconds=2,
                verdict=Verdict.FAILED,
                text="test_t.py:1: in bad\n    code\nE   assert <nothing> == 'stored'",
                output="last log line",
                properties={"evidence": "test_t.bad"},
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
    times=[("parallel", 31.4), ("in all", 33.0)],
    remarks=["No container registry."],
    facts={"broker": "SQLite"},
    evidence=[EVIDENCE],
)


@pytest.fixture
def page(tmp_path: Path) -> str:
    write(EVIDENCE, tmp_path, {"logs/api.log": "a line"})
    write_reports(RUN, tmp_path)
    return (tmp_path / "report.html").read_text()


def test_summary_says_verdict_blame_failures_and_skips(tmp_path: Path) -> None:
    write_reports(RUN, tmp_path)
    text = (tmp_path / "summary.md").read_text()
    first = text.partition("\n")[0]
    assert first == (
        "# FetchBox: FAILED: 1 passed, 1 failed, 2 skipped (embedded stack, broker SQLite)"
    )
    assert "**PRODUCT: first divergence: claimed: never seen**" in text
    assert "assert <nothing> == 'stored'" in text
    assert "- 2 x needs Iggy" in text
    assert "| parallel | 31.4 |" in text


def test_page_shows_the_blame_the_assertion_and_the_divergence(page: str) -> None:
    assert "<span class=badge>PRODUCT</span>first divergence: claimed: never seen" in page
    assert "assert &lt;nothing&gt; == &#x27;stored&#x27;\ntest_t.py:1: in bad</pre>" in page
    assert "<li class=missing>claimed" in page
    assert "first divergence: never seen for small of 1" in page
    assert "last log line" in page
    assert "No container registry." in page
    assert "Not looked at: proxy journal: refused" in page


def test_page_shows_where_the_time_went(page: str) -> None:
    assert "margin-left:25.0%;width:75.0%" in page
    assert "33.0 s in all" in page


def test_page_is_self_contained(page: str) -> None:
    assert not any(word in page for word in ("src=", "<script", "http", "<link", "@import"))
    links = re.findall(r"href='([^']+)'", page)
    assert "tests/test_t.bad/logs/api.log" in links
    assert all(link.startswith("tests/test_t.bad/") for link in links)


def test_every_link_of_the_page_leads_to_a_file(page: str, tmp_path: Path) -> None:
    missing = [
        link for link in re.findall(r"href='([^']+)'", page) if not (tmp_path / link).exists()
    ]
    assert missing == []


class _Balance(HTMLParser):
    """Counts what is open; the elements below must be closed, the others close themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002  # library's
        if tag in {"main", "div", "article", "table", "section", "pre", "details", "header", "ul"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()


def test_page_is_balanced(page: str) -> None:
    balance = _Balance()
    balance.feed(page)
    assert balance.open == []


def test_green_run_says_so(tmp_path: Path) -> None:
    green = replace(RUN, results=Results(cases=RUN.results.cases[:1]), evidence=())
    write_reports(green, tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "<h1>Passed: 1 passed, 0 failed, 0 skipped" in text
    assert "Failures" not in text


JUNIT = """<testsuites><testsuite name="parallel"><testcase classname="tests.integration.test_t"
 name="bad" time="1"><properties><property name="evidence" value="test_t.bad"/>
 <property name="blame" value="PRODUCT: x"/></properties><failure message="m">E   x</failure>
 </testcase></testsuite></testsuites>"""
KILLED = """[{"Config": {"Image": "apache/iggy:0.8.0"}, "RestartCount": 0, "State": {"Status":
 "exited", "Running": false, "ExitCode": 137, "OOMKilled": true, "FinishedAt":
 "1970-01-01T00:00:01.123456789Z"}}]"""


def test_rebuild_judges_again_with_what_make_collected(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(JUNIT)
    write(EVIDENCE, tmp_path, {})
    keep_run(RUN, tmp_path)
    (tmp_path / "services/iggy").mkdir(parents=True)
    (tmp_path / "services/iggy/inspect.json").write_text(KILLED)
    (tmp_path / "services/iggy/log.txt").write_text("bye")

    run = rebuild(tmp_path)

    line = "ENVIRONMENT: iggy was killed for want of memory 1.0 s before"
    assert [str(each.blame) for each in run.evidence] == [line]
    assert junit.read(tmp_path / "junit.xml").cases[0].properties["blame"] == line
    page = (tmp_path / "report.html").read_text()
    assert "apache/iggy:0.8.0" in page
    assert "services/iggy/log.txt" in page
    assert run.waterfall == RUN.waterfall


def test_rebuild_takes_the_end_of_the_tear_down_for_no_cause(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(JUNIT)
    write(EVIDENCE, tmp_path, {})
    (tmp_path / "services/iggy").mkdir(parents=True)
    later = KILLED.replace("00:00:01", "00:00:09")
    (tmp_path / "services/iggy/inspect.json").write_text(later)
    assert str(rebuild(tmp_path).evidence[0].blame).startswith("PRODUCT")


def test_missing_broker_is_remarked_on_first() -> None:
    names = dict.fromkeys(Addresses.__annotations__, "x")
    addresses = Addresses(**names | {"stack": "compose", "broker": "sqlite:///b"})
    assert remarks(addresses, {})[0].startswith("Iggy is not part of this run")
    assert remarks(replace(addresses, stack="embedded"), {}) == []
