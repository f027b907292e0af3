"""Two versions: what differs, and by how much at least."""

import random

import pytest

from tests.load.compare import MEASURES, Arm, differences, measures_of, schedule
from tests.unit.load.conftest import LoadRun


def slices(values: list[float]) -> list[dict[str, float]]:
    return [dict.fromkeys(MEASURES, value) for value in values]


def test_slices_are_interleaved() -> None:
    assert "".join(arm[0] for arm in schedule(4)) == "boobboob"
    assert schedule(3).count(Arm.BASE) == 3


def test_a_difference_beyond_the_noise_is_detected() -> None:
    found = differences(slices([10, 10.2, 9.9, 10.1]), slices([13.1, 13.2, 13.0, 13.3]))[0]
    assert found.is_detected
    assert str(found).startswith("accept p50 +3.10 ms [")
    assert "(+31 % of 10.05 ms)".replace(" %", "%") in str(found)


def test_a_difference_within_the_noise_is_a_bound() -> None:
    found = differences(slices([10, 12, 9, 11]), slices([10.5, 11, 10, 11.5]))[0]
    assert not found.is_detected
    assert str(found).startswith("accept p50: no difference above")


def test_alike_versions_are_called_different_once_in_twenty() -> None:
    chance = random.Random(1)  # noqa: S311  # noise, no secret
    runs = 400
    wrong = 0
    for _ in range(runs):
        base, ours = ([chance.gauss(20, 2) for _ in range(6)] for _ in range(2))
        wrong += differences(slices(base), slices(ours))[0].is_detected
    assert wrong / runs == pytest.approx(0.05, abs=0.03)


def test_what_is_compared_comes_from_load_json(run: LoadRun) -> None:
    found = measures_of(run.result(run.course()).to_json())
    assert set(found) == set(MEASURES)
    assert found["accept p50"] == pytest.approx(5, rel=0.01)
    assert found["planned to completed p50"] == pytest.approx(305, rel=0.01)
    assert found["CPU per resource"] == pytest.approx(3, rel=0.1)  # 0.3 cores, 100 a second
