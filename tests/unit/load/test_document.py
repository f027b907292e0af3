"""docs/benchmarks.md: the run writes between the marks and nowhere else."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from tests.load.bench.bars import Bar, bar_chart
from tests.load.bench.document import BEGIN, END, _own_charts, block, publish, replaced
from tests.load.bench.figures import shared_charts
from tests.load.bench.goals import Goal
from tests.load.bench.outcome import Outcome
from tests.load.bench.score import Absence, Score

ROOT = Path(__file__).parents[3]
SCORE = Score(
    goal="G3",
    workload="20,000 x 20 KiB",
    plane="N",
    ours=3000.0,
    reference=600.0,
    ratio=5.0,
    low95=4.8,
    target=4.5,
    stretch=6.0,
    against="taskiq + obstore",
    cpu_us={"fetchbox worker": 389.0, "fetchbox api": 45.0, "taskiq + obstore workers": 1200.0},
)
SLOW = replace(
    SCORE, goal="G8", against="one PUT", better="lower", high95=5.2, target=4.0, stretch=2.0
)
OUTCOME = Outcome.of(
    {"cpu": "2 x Some", "commit": ""}, [SCORE, SLOW, Absence(goal="G4", what="no aria2c")]
)


def document(figures: str) -> str:
    return f"# Benchmarks\n\nBefore.\n\n{BEGIN}\n{figures}\n{END}\n\nAfter.\n"


def test_prose_around_the_figures_survives() -> None:
    text = replaced(document("old figures"), "new figures")

    assert text == document("\nnew figures\n")


def test_same_figures_leave_the_document_as_it_is() -> None:
    once = replaced(document("old"), "new")

    assert replaced(once, "new") == once


@pytest.mark.parametrize("mark", [BEGIN, END])
def test_document_without_a_mark_is_refused(mark: str) -> None:
    with pytest.raises(ValueError, match="lacks the marks"):
        replaced(document("old").replace(mark, ""), "new")


def test_own_document_has_the_marks() -> None:
    assert replaced((ROOT / "docs/benchmarks.md").read_text(), "new")


def test_figures_tell_machine_goals_and_what_is_absent() -> None:
    text = block(OUTCOME, {"goals": "<svg/>"})

    assert "Machine: cpu 2 x Some." in text
    assert "| 3,000 /s | 600 /s | 5, ≥ 4.8 | ≥ 4.5 (6) | met |" in text
    assert "- G4: no aria2c" in text
    assert "| G3 | N | worker 389, api 45 | workers 1200 |" in text
    assert "![goals](images/bench/goals.svg)" in text


def test_where_less_is_better_the_upper_end_is_shown_and_judged() -> None:
    assert "| 5, ≤ 5.2 | ≤ 4 (2) | missed |" in block(OUTCOME, {})


def test_charts_that_are_no_longer_drawn_are_removed(tmp_path: Path) -> None:
    (tmp_path / "images/bench").mkdir(parents=True)
    (tmp_path / "images/bench/old.svg").touch()
    path = tmp_path / "benchmarks.md"
    path.write_text(document("old"))

    publish(OUTCOME, path)

    linked = set(re.findall(r"images/bench/[\w-]+\.svg", path.read_text()))
    drawn = {f"images/bench/{each.name}" for each in (tmp_path / "images/bench").iterdir()}
    assert linked == drawn
    assert "images/bench/speed-N.svg" in drawn


def test_charts_are_svg_and_name_what_they_show() -> None:
    charts = shared_charts(OUTCOME.goals)

    texts = {
        name: " ".join(ET.fromstring(svg).itertext())  # noqa: S314 - our own
        for name, svg in charts.items()
    }
    assert "taskiq + obstore" in texts["speed-N"]
    assert "1,200" in texts["cpu-N"]
    assert "434" in texts["cpu-N"]
    assert "5, ≥ 4.5" in texts["goals"]


def test_path_on_another_broker_has_bars_of_its_own() -> None:
    on_iggy = replace(SCORE, arm="fetchbox on Iggy", ours=1000.0)

    charts = shared_charts([SCORE, on_iggy])

    assert re.findall(r">(fetchbox[^<]*)<", charts["speed-N"]) == [
        "fetchbox, G3's rounds".replace("'", "&#x27;"),
        "fetchbox on Iggy, G3's rounds".replace("'", "&#x27;"),
    ]
    assert "G3 N fetchbox on Iggy, taskiq" in charts["goals"]


def test_scores_against_the_same_are_told_apart() -> None:
    queues = [replace(SLOW, workload=f"POST, {queue}") for queue in ("idle", "backlog")]

    charts = shared_charts([SCORE, *queues])

    assert re.findall(r">(G\d [^<]*)<", charts["goals"]) == [
        "G3 N taskiq + obstore",
        "G8 N one PUT, idle",
        "G8 N one PUT, backlog",
    ]


def test_bar_is_as_long_as_its_value() -> None:
    svg = bar_chart("t", [Bar(label="a", value=10, text=""), Bar(label="b", value=5, text="")])

    long, short = (float(width) for width in re.findall(r'width="([\d.]+)" height="16"', svg))
    assert long == pytest.approx(2 * short, rel=0.01)


def test_charts_of_a_goal_that_breaks_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    broken = Goal(name="G3", module="tests.load.bench.g3_nothing")

    assert list(_own_charts(OUTCOME, [broken])) == []
    assert "g3_nothing" in capsys.readouterr().err
