"""The verdict of a run comes from its JUnit files."""

from pathlib import Path

import pytest

from runner import junit
from runner.junit import Verdict

PARALLEL = """<?xml version="1.0"?><testsuites><testsuite name="pytest" tests="3">
<testcase classname="tests.integration.test_a" name="test_good" time="1.5"/>
<testcase classname="tests.integration.test_a" name="test_bad" time="0.5">
<failure message="assert 1 == 2">the whole text</failure><system-out>said</system-out></testcase>
<testcase classname="tests.integration.test_a" name="test_absent" time="0">
<skipped message="needs Iggy">here</skipped></testcase></testsuite></testsuites>"""
DISRUPTIVE = """<?xml version="1.0"?><testsuites><testsuite name="pytest" tests="1">
<testcase classname="tests.integration.test_b" name="test_kill" time="2">
<error message="fixture">of a fixture</error></testcase></testsuite></testsuites>"""


@pytest.fixture
def results(tmp_path: Path) -> junit.Results:
    parts = {"parallel": tmp_path / "p.xml", "disruptive": tmp_path / "d.xml"}
    parts["parallel"].write_text(PARALLEL)
    parts["disruptive"].write_text(DISRUPTIVE)
    junit.merge({**parts, "crashed": tmp_path / "never-written.xml"}, tmp_path / "all.xml")
    return junit.read(tmp_path / "all.xml")


def test_all_parts_are_in_the_merged_file(results: junit.Results) -> None:
    assert [(case.part, case.name, case.verdict) for case in results.cases] == [
        ("parallel", "tests.integration.test_a::test_good", Verdict.PASSED),
        ("parallel", "tests.integration.test_a::test_bad", Verdict.FAILED),
        ("parallel", "tests.integration.test_a::test_absent", Verdict.SKIPPED),
        ("disruptive", "tests.integration.test_b::test_kill", Verdict.ERROR),
    ]


def test_a_failure_keeps_its_text_and_output(results: junit.Results) -> None:
    bad = results.red[0]
    assert (bad.message, bad.text, bad.output) == ("assert 1 == 2", "the whole text", "said")


def test_skipped_tests_did_not_run_and_errors_count_as_failed(results: junit.Results) -> None:
    assert results.executed == 3
    assert results.closing_line == "1 passed, 2 failed, 1 skipped"
