"""What a run leaves: rows for programs, an exit code, and figures of goals measured earlier."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.load.bench.outcome import Outcome, verdict
from tests.load.bench.score import Absence, Score

MACHINE = {"cpu": "2 x Some", "memory": "24 GiB", "kernel": "Linux 6", "commit": "abc", "date": "d"}
MET = Score(
    goal="G1",
    workload="w",
    plane="N",
    ours=80.0,
    reference=100.0,
    ratio=0.8,
    low95=0.78,
    target=0.75,
    stretch=0.85,
    cpu_us={"fetchbox api": 10.0},
)
MISSED = replace(MET, goal="G9", target=0.9)
ABSENT = Absence(goal="G4", what="aria2c is not on PATH")


def outcome_of(*found: Score | Absence) -> Outcome:
    return Outcome.of(MACHINE, found)


def test_rows_have_what_programs_are_promised(tmp_path: Path) -> None:
    outcome_of(MET, ABSENT).write(tmp_path / "bench" / "bench.json")

    document = json.loads((tmp_path / "bench" / "bench.json").read_text())
    assert document["machine"] == MACHINE
    (row,) = document["goals"]
    assert {
        *("goal", "workload", "plane", "ours", "reference", "ratio", "low95", "target", "met"),
        *("unit", "against", "stretch", "notes"),
    } <= set(row)
    assert (row["goal"], row["met"], row["measured"]) == ("G1", True, "d abc")
    assert document["absent"] == [
        {"goal": "G4", "what": "aria2c is not on PATH", "is_broken": False}
    ]


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    outcome = outcome_of(MET, MISSED, ABSENT)
    outcome.write(tmp_path / "bench.json")

    assert Outcome.read(tmp_path / "bench.json") == outcome


def test_goals_that_were_not_measured_keep_their_figures(tmp_path: Path) -> None:
    outcome_of(replace(MET, ratio=0.1), MISSED, ABSENT).write(tmp_path / "bench.json")

    kept = outcome_of(MET).with_earlier(tmp_path / "bench.json", {"G1"})

    assert [(each.goal, each.ratio) for each in kept.goals] == [("G1", 0.8), ("G9", 0.8)]
    assert list(kept.absent) == [ABSENT]


def test_goal_that_is_absent_now_loses_its_figures(tmp_path: Path) -> None:
    outcome_of(MET, MISSED).write(tmp_path / "bench.json")

    kept = outcome_of(Absence(goal="G1", what="no Go")).with_earlier(
        tmp_path / "bench.json", {"G1"}
    )

    assert [each.goal for each in kept.goals] == ["G9"]


def test_figures_of_another_machine_are_not_kept(tmp_path: Path) -> None:
    Outcome.of(MACHINE | {"cpu": "64 x Other"}, [MISSED]).write(tmp_path / "bench.json")

    assert outcome_of(MET).with_earlier(tmp_path / "bench.json", {"G1"}) == outcome_of(MET)


@pytest.mark.parametrize("text", ["", "{}", '{"machine": {}, "goals": [{}], "absent": []}'])
def test_figures_of_another_shape_are_left_behind(text: str, tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text(text)

    assert outcome_of(MET).with_earlier(tmp_path / "bench.json", {"G1"}) == outcome_of(MET)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        pytest.param([MET], 0, id="met"),
        pytest.param([MET, ABSENT], 0, id="absent-is-no-failure"),
        pytest.param([MET, MISSED], 1, id="missed"),
        pytest.param([replace(MISSED, target=None)], 0, id="told-not-judged"),
        pytest.param([replace(ABSENT, is_broken=True)], 1, id="broke"),
    ],
)
def test_exit_code_says_how_it_came_out(found: list[Score | Absence], code: int) -> None:
    assert outcome_of(*found).exit_code == code


@pytest.mark.parametrize(
    ("score", "word"),
    [
        pytest.param(MET, "met", id="met"),
        pytest.param(replace(MET, low95=0.85), "stretch", id="stretch"),
        pytest.param(MISSED, "missed", id="missed"),
        pytest.param(replace(MISSED, stretch=0.7), "missed", id="no-stretch-without-the-target"),
        pytest.param(replace(MET, target=None, stretch=None), "", id="not-judged"),
    ],
)
def test_verdict_is_a_word(score: Score, word: str) -> None:
    assert verdict(score) == word


def test_table_names_every_goal_and_what_is_absent() -> None:
    table = outcome_of(MET, MISSED, ABSENT).table()

    assert table.count("G1") == 1
    assert "missed" in table
    assert "absent: G4: aria2c is not on PATH" in table
