"""From interleaved rounds to a ratio that can be trusted: median and its bootstrap interval."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One goal, measured: `ratio` is the median of per-round ratios of throughput."""

    goal: str
    workload: str
    plane: str
    ours: float
    reference: float
    ratio: float
    low95: float
    target: float

    @property
    def met(self) -> bool:
        """Whether the target lies at or below the lower end of the interval."""
        return self.low95 >= self.target


def median_interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the median and the lower end of its one-sided 95 % bootstrap interval."""
    chance = random.Random(1)  # noqa: S311  # resampling, repeatable
    medians = sorted(
        statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES)
    )
    return statistics.median(ratios), medians[int(RESAMPLES * 0.05)]
