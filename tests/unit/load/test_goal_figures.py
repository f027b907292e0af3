"""What goals read from other tools, and how they judge it."""

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tests.load.bench.arms import Workload
from tests.load.bench.g10_failures import CODE, LOST, end_faults, urls_of
from tests.load.bench.g11_generator import gap_between, k6_figures
from tests.load.bench.g12_suite import SuiteRun, score_of, suite_run
from tests.load.bench.lines import Curve, line_chart


def test_urls_fail_in_the_shares_of_the_goal() -> None:
    urls = urls_of(Workload(jobs=2, per_job=1000))

    assert len(set(urls)) == 2000
    assert sum(url.endswith(LOST) for url in urls) == 10
    assert sum(url.endswith("?once=500") for url in urls) == 90
    assert sum(url.endswith("?once=reset") for url in urls) == 20


def row(state: str = "completed", code: str = "") -> dict[str, Any]:
    return {"state": state, "failure_code": code}


LETTER = {"resource_id": "7", "code": CODE}


def test_right_ends_have_no_fault() -> None:
    assert end_faults([row(), row("failed", CODE)], [LETTER], 2, {"7"}) == []
    assert end_faults([row(), row()], [], 2, set()) == []


@pytest.mark.parametrize(
    ("rows", "letters"),
    [
        pytest.param([row("failed", CODE)], [LETTER], id="one without an end"),
        pytest.param([row(), row("failed", "SYSTEM_PANIC")], [LETTER], id="wrong code"),
        pytest.param([row(), row()], [LETTER], id="completed after all"),
        pytest.param([row(), row("failed", CODE)], [], id="no dead letter"),
        pytest.param([row(), row("failed", CODE)], [LETTER, LETTER], id="buried twice"),
    ],
)
def test_wrong_end_is_found(rows: list[dict[str, Any]], letters: list[dict[str, str]]) -> None:
    assert len(end_faults(rows, letters, 2, {"7"})) == 1


def k6_metrics(*, failed: float = 0, dropped: float = 0) -> dict[str, Any]:
    return {
        "http_req_duration": {"values": {"p(50)": 0.4, "p(99)": 1.5}},
        "http_req_failed": {"values": {"rate": failed}},
        "http_reqs": {"values": {"count": 3000}},
        "dropped_iterations": {"values": {"count": dropped}},
    }


def test_k6_is_read() -> None:
    sent = k6_figures(k6_metrics(), 6)

    assert (sent.per_s, sent.p99_ms) == (500, 1.5)


@pytest.mark.parametrize("fault", [{"failed": 0.1}, {"dropped": 1}])
def test_k6_that_did_not_send_everything_is_no_reference(fault: dict[str, float]) -> None:
    with pytest.raises(RuntimeError, match="k6"):
        k6_figures(k6_metrics(**fault), 6)


@pytest.mark.parametrize(
    ("ours", "overlaps"),
    [([1.0, 2.0], True), ([2.9, 9.0], True), ([0.1, 0.2], True), ([3.1, 9.0], False)],
)
def test_intervals_overlap_unless_ours_lies_above(ours: list[float], *, overlaps: bool) -> None:
    assert (gap_between(ours, [1.0, 3.0]) <= 1) is overlaps


def test_run_of_the_suite_is_read() -> None:
    junit = ET.fromstring(  # noqa: S314  # our own
        "<testsuites><testsuite><testcase time='1.5'/><testcase time='9'><skipped/></testcase>"
        "<testcase time='0.2'/></testsuite></testsuites>"
    )

    run = suite_run({"times": [["start", 7.0], ["in all", 50.0]]}, junit)

    assert (run.seconds, run.ran, run.slowest_s) == (50.0, 2, 1.5)


@pytest.mark.parametrize(("module_s", "is_met"), [(10.0, True), (9.0, False)])
def test_suite_has_to_take_a_fifth_of_the_modules(module_s: float, *, is_met: bool) -> None:
    whole = SuiteRun(phases={"in all": 50.0}, ran=99, slowest_s=3.0)
    module = SuiteRun(phases={"in all": module_s}, ran=4, slowest_s=1.0)

    assert score_of(whole, [module] * 25).met is is_met


def test_chart_stands_alone_and_names_its_curves() -> None:
    curves = [Curve(name="a & b", points=[(1000, 1.0), (1_000_000, 0.9)])]

    svg = line_chart("title", curves, across="tasks", is_logarithmic=True)

    root = ET.fromstring(svg)  # noqa: S314  # our own
    texts = {each.text for each in root.iter() if each.text}
    assert {"title", "a & b", "tasks", "1,000", "1,000,000"} <= texts
