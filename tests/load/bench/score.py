"""From interleaved rounds to a ratio that can be trusted: median and its bootstrap interval."""

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

RESAMPLES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One goal, measured: `ratio` is the median of the rounds' ratios, ours by the reference."""

    goal: str
    workload: str
    plane: str
    ours: float
    reference: float
    ratio: float
    #: The lower end of the one-sided 95 % interval of `ratio`.
    low95: float
    #: None where a figure is told and not judged.
    target: float | None
    stretch: float | None = None
    #: Of `ours` and `reference`.
    unit: str = "/s"
    #: What the reference is, and what ours is.
    against: str = "relay"
    arm: str = "fetchbox"
    notes: str = ""
    #: Which way the ratio is good: up for throughput, down for latency and time.
    better: Literal["higher", "lower"] = "higher"
    #: The upper end; where less is better it is the one that counts.
    high95: float | None = None
    #: CPU microseconds per resource, by who used them.
    cpu_us: Mapping[str, float] = field(default_factory=dict)
    #: Date and commit; filled in by the run.
    measured: str = ""

    def __post_init__(self) -> None:
        if self.better == "lower" and self.high95 is None:
            raise ValueError(f"{self.goal}: where less is better, high95 is what counts")

    @classmethod
    def of_rounds(
        cls,
        ours: Sequence[float],
        reference: Sequence[float],
        **facts: Any,  # the other fields
    ) -> Self:
        """Compare figures of the same rounds, ratio by ratio; both are shown by their medians."""
        ratio, low, high = median_range([a / b for a, b in zip(ours, reference, strict=True)])
        return cls(
            ours=statistics.median(ours),
            reference=statistics.median(reference),
            ratio=ratio,
            low95=low,
            high95=high,
            **facts,
        )

    @property
    def met(self) -> bool | None:
        """Whether the target is met by the worse end of the interval."""
        return self.reaches(self.target)

    def reaches(self, value: float | None) -> bool | None:
        """Whether the worse end of the interval is at least as good as a value."""
        if value is None:
            return None
        if self.high95 is not None and self.better == "lower":
            return self.high95 <= value
        return self.low95 >= value


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Something that could not be measured here, and what would make it possible."""

    goal: str
    what: str
    #: Whether it was tried and broke.
    is_broken: bool = False


#: What a goal gives back.
Finding = Score | Absence


def median_range(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Return the median and both ends, each the bound of a one-sided 95 % bootstrap interval."""
    chance = random.Random(1)  # noqa: S311  # resampling, repeatable
    medians = sorted(
        statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES)
    )
    cut = int(RESAMPLES * 0.05)
    return statistics.median(ratios), medians[cut], medians[-1 - cut]
