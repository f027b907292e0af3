"""Options and variables mean the same; what makes no sense is refused by name."""

import sys

import pytest

from tests.load.arguments import read_wishes
from tests.load.plan import WrongPlanError


def test_without_options_it_is_the_load_of_a_laptop() -> None:
    wishes = read_wishes([], {})
    assert (wishes.workload.peak_rate, wishes.workload.seconds) == (10, 30)
    assert (wishes.workload.resources, wishes.workload.mean_size) == (5, 20_000)
    assert (wishes.workload.proxied, wishes.workload.errors, wishes.verify) == (0, 0, 200)
    assert wishes.out.parts[-2:] == ("artifacts", "load")


def test_variables_are_options_and_options_win() -> None:
    env = {"RATE": "3", "DURATION": "5", "JOB_TYPES": "a,b", "FETCHBOX_TEST_ARTIFACTS": "/results"}
    wishes = read_wishes(["--rate", "4", "--verify", "all"], env)
    assert (wishes.workload.peak_rate, wishes.workload.seconds) == (4, 5)
    assert (wishes.job_types.plain, wishes.job_types.proxied) == ("a", "b")
    assert wishes.verify == sys.maxsize
    assert str(wishes.out) == "/results/load"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("RATE", "0"),
        ("RATE", "fast"),
        ("RESOURCES", "0"),
        ("PROXIED", "30"),
        ("ERRORS", "-1"),
        ("SIZE", "huge"),
        ("STAGES", "up"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, text: str) -> None:
    with pytest.raises(WrongPlanError, match=text):
        read_wishes([], {name: text})
