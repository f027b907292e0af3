"""The watermark against rows of cases, and against a model too simple to be wrong."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchbox.broker.watermark import OVERTAKING, Watermark


@pytest.mark.parametrize(
    ("delivered", "settled", "committable", "ahead"),
    [
        pytest.param([], [], 5, 0, id="nothing-delivered"),
        pytest.param([5, 6], [], 5, 2, id="nothing-settled"),
        pytest.param([5, 6, 7], [5], 6, 2, id="first"),
        pytest.param([5, 6, 7], [7, 6], 5, 3, id="all-but-the-first"),
        pytest.param([5, 6, 7], [7, 6, 5], 8, 0, id="backwards"),
        pytest.param([5, 6, 7], [5, 5, 5], 6, 2, id="repeated"),
        pytest.param([5, 6], [9, 4], 5, 2, id="never-delivered"),
        pytest.param([8, 9, 20], [8, 9], 20, 1, id="gap"),
        pytest.param([8, 9, 20], [8, 9, 20], 21, 0, id="to-the-end"),
    ],
)
def test_watermark_is_the_end_of_the_settled_run(
    delivered: Sequence[int], settled: Sequence[int], committable: int, ahead: int
) -> None:
    watermark = Watermark(5)
    watermark.deliver(delivered)

    watermark.settle(settled)

    assert (watermark.committable, watermark.ahead) == (committable, ahead)


class NaiveWatermark:
    """Keep everything for ever and look through it each time."""

    def __init__(self, start: int) -> None:
        self.delivered: list[int] = []
        self.settled: set[int] = set()
        self.next = start

    def open(self) -> list[int]:
        return [offset for offset in self.delivered if offset not in self.settled]

    def committable(self) -> int:
        return min(self.open(), default=self.next)

    def ahead(self) -> int:
        return sum(offset >= self.committable() for offset in self.delivered)


@pytest.mark.parametrize(
    ("delivered", "settled", "room"),
    [
        ([], [], 4),
        ([0, 1], [], 2),
        ([0, 1, 2, 3], [], 0),
        ([0, 1, 2, 3], [1, 2], 2),
        (range(4 * OVERTAKING - 1), range(1, 4 * OVERTAKING), 1),
        (range(4 * OVERTAKING), range(1, 4 * OVERTAKING), 0),
    ],
)
def test_room_is_for_open_messages_and_so_many_windows(
    delivered: Sequence[int], settled: Sequence[int], room: int
) -> None:
    watermark = Watermark(0)
    watermark.deliver(delivered)
    watermark.settle(settled)

    assert watermark.room(4) == room


DELIVERIES = st.lists(st.integers(1, 4), max_size=6).map(lambda gaps: ("deliver", gaps))
SETTLES = st.lists(st.integers(0, 40), max_size=6).map(lambda offsets: ("settle", offsets))


@given(start=st.integers(0, 10), steps=st.lists(DELIVERIES | SETTLES, max_size=30))
def test_watermark_agrees_with_the_naive_one(
    start: int, steps: Sequence[tuple[str, list[int]]]
) -> None:
    watermark, naive = Watermark(start), NaiveWatermark(start)
    previous = start
    for verb, numbers in steps:
        if verb == "deliver":
            for gap in numbers:
                offset = naive.next + gap - 1
                watermark.deliver([offset])
                naive.delivered.append(offset)
                naive.next = offset + 1
        else:
            watermark.settle(numbers)
            naive.settled |= set(numbers) & set(naive.delivered)

        assert watermark.committable == naive.committable()
        assert watermark.next == naive.next
        assert watermark.ahead == naive.ahead()
        assert watermark.open == len(naive.open())
        assert watermark.committable >= previous
        previous = watermark.committable
