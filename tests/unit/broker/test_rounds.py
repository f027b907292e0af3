"""Many calls, few runs, and none that started before the call it answers."""

import asyncio

import pytest

from fetchbox.broker.rounds import Rounds


class Runs:
    """Runs that end when the test says so."""

    def __init__(self) -> None:
        self.started: list[asyncio.Future[int]] = []
        self.ended: list[int | None] = []
        self.rounds = Rounds(self.run, self.end)

    def run(self) -> asyncio.Future[int]:
        self.started.append(asyncio.get_running_loop().create_future())
        return self.started[-1]

    def end(self, done: asyncio.Future[int]) -> None:
        self.ended.append(None if done.exception() else done.result())


async def test_calls_during_a_run_share_the_next() -> None:
    runs = Runs()
    first = runs.rounds.join()
    second, third = runs.rounds.join(), runs.rounds.join()
    assert len(runs.started) == 1

    runs.started[0].set_result(1)
    await first
    assert len(runs.started) == 2
    assert not second.done()

    runs.started[1].set_result(2)
    await asyncio.gather(second, third)
    assert runs.ended == [1, 2]
    assert len(runs.started) == 2


async def test_failed_run_fails_its_own_callers_only() -> None:
    runs = Runs()
    first, second = runs.rounds.join(), runs.rounds.join()

    runs.started[0].set_exception(OSError("disk"))
    with pytest.raises(OSError, match="disk"):
        await first
    runs.started[1].set_result(2)
    await second

    assert runs.ended == [None, 2]


async def test_round_asked_for_at_the_end_of_a_run_starts_at_once() -> None:
    runs = Runs()
    again: list[asyncio.Future[None]] = []

    def end(_done: asyncio.Future[int]) -> None:
        if not again:
            again.append(rounds.join())

    rounds = Rounds(runs.run, end)
    first = rounds.join()
    runs.started[0].set_result(1)
    await first
    assert len(runs.started) == 2

    runs.started[1].set_result(2)
    await again[0]
