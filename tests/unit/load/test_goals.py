"""Which goals a run measures."""

import importlib

import pytest

from tests.load.bench.goals import Goal, UnknownGoalError, all_goals, chosen, name_of


@pytest.mark.parametrize(
    ("stem", "name"), [("g6_large_bodies", "G6"), ("g11_generator", "G11"), ("growth", "growth")]
)
def test_goal_is_named_by_its_file(stem: str, name: str) -> None:
    assert name_of(stem) == name


def test_goals_come_in_the_order_of_their_numbers() -> None:
    names = [goal.name for goal in all_goals()]
    numbered = [int(name[1:]) for name in names if name[1:].isdigit()]

    assert numbered == sorted(numbered)
    assert {"G1", "G3", "G4", "G5"} <= set(names)


@pytest.mark.parametrize("goal", all_goals(), ids=lambda goal: goal.name)
def test_goal_can_be_measured(goal: Goal) -> None:
    module = importlib.import_module(goal.module)

    assert goal.name == module.GOAL
    assert callable(module.measure)


def test_every_goal_is_measured_unless_some_are_named() -> None:
    assert chosen([""]) == all_goals()


def test_named_goals_are_measured_whatever_their_case_and_order() -> None:
    assert [goal.name for goal in chosen(["g5", " G1"])] == ["G1", "G5"]


def test_goal_that_nobody_measures_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnknownGoalError, match=r"no goal g2; there are G1, G3"):
        chosen(["G1", "G2"])
