"""Arms take turns, and a round that the host disturbed does not count."""

from collections.abc import Callable, Sequence

import pytest

from tests.load.bench.floor import AbsentError
from tests.load.bench.machine import Ticks
from tests.load.bench.rounds import interleave, score_rounds
from tests.load.bench.service import Run


def run(seconds: float = 1.0, count: int = 100) -> Run:
    return Run(seconds=seconds, cpu_s={"worker": 0.01}, count=count)


def clock(stolen: Sequence[float]) -> Callable[[], Ticks]:
    """Return ticks of which these shares were stolen, round by round."""
    shares = iter([each for share in stolen for each in (0.0, share)])

    def read() -> Ticks:
        share = next(shares)
        return Ticks(total=100 if share else 0, stolen=int(share * 100))

    return read


def arms_that_note(order: list[str]) -> dict[str, Callable[[], Run]]:
    def noting(name: str) -> Callable[[], Run]:
        def arm() -> Run:
            order.append(name)
            return run()

        return arm

    return {name: noting(name) for name in "ABC"}


def test_every_other_round_goes_backwards() -> None:
    order: list[str] = []

    interleave(arms_that_note(order), 3, "G0 N", clock([0, 0, 0]))

    assert "".join(order) == "ABCCBAABC"


def test_round_is_run_again_when_the_host_took_time() -> None:
    order: list[str] = []

    rounds = interleave(arms_that_note(order), 2, "G0 N", clock([0.01, 0.5, 0.02]))

    assert len(rounds) == 2
    assert len(order) == 9


def test_nothing_is_measured_when_most_rounds_are_void() -> None:
    with pytest.raises(AbsentError, match="the host took more than 2%"):
        interleave(arms_that_note([]), 2, "G0 N", clock([0.5, 0.0, 0.5, 0.5]))


def test_score_is_of_the_ratios_within_each_round() -> None:
    """A machine that gets slower from round to round changes speeds, not ratios."""
    rounds = [{"fetchbox": run(1.0 * slower), "relay": run(0.5 * slower)} for slower in (1, 2, 4)]

    score = score_rounds(rounds, "relay", goal="G0", workload="w", plane="N", targets=(0.4, 0.6))

    assert (score.ratio, score.low95, score.high95) == (0.5, 0.5, 0.5)
    assert (score.ours, score.reference) == (50, 100)
    assert (score.target, score.stretch) == (0.4, 0.6)


def test_peer_that_copied_fewer_is_compared_by_speed() -> None:
    rounds = [{"fetchbox": run(count=2000), "peer": run(count=500)}]

    score = score_rounds(rounds, "peer", goal="G0", workload="w", plane="N", targets=(5, 6))

    assert score.ratio == 4


def test_cpu_is_told_per_resource_by_who_used_it() -> None:
    rounds = [{"fetchbox": run(), "relay": Run(seconds=1, cpu_s={"relay": 0.02}, count=100)}]

    score = score_rounds(rounds, "relay", goal="G0", workload="w", plane="N", targets=(1, 1))

    assert score.cpu_us == pytest.approx({"fetchbox worker": 100, "relay": 200})
