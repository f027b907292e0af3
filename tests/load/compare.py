"""Two versions, slice by slice: the difference of their pairs with its 95 % interval. Pure.

Slices are interleaved (AB BA AB ...), so that whatever drifts on the machine meets both alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from statistics import mean, stdev
from typing import Any, Final

from tests.load.words import sending_samples

#: Student's t, two-sided 95 %, by degrees of freedom from 1; beyond the table as for its last.
_T: Final = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14)
#: What is compared: name and unit.
MEASURES: Final = {
    "accept p50": "ms",
    "accept p99": "ms",
    "planned to completed p50": "ms",
    "planned to completed p99": "ms",
    "CPU per resource": "ms",
}


class Arm(StrEnum):
    """One of the two versions."""

    BASE = "base"
    OURS = "ours"


def schedule(pairs: int) -> list[Arm]:
    """Return the order of the slices."""
    both = [Arm.BASE, Arm.OURS]
    return [arm for number in range(pairs) for arm in (both if number % 2 == 0 else both[::-1])]


def measures_of(document: Mapping[str, Any]) -> dict[str, float]:
    """Take the compared numbers out of a load.json."""
    accept, whole = document["latencies"]["accept"], document["latencies"]["whole"]
    needed = ("ended_per_s", "api_cpu", "worker_cpu")
    samples = [s for s in sending_samples(document) if None not in [s[name] for name in needed]]
    cores = sum((each["api_cpu"] + each["worker_cpu"]) for each in samples)
    ended = sum(each["ended_per_s"] for each in samples)
    return {
        "accept p50": accept["p50_ms"],
        "accept p99": accept["p99_ms"],
        "planned to completed p50": whole["p50_ms"],
        "planned to completed p99": whole["p99_ms"],
        "CPU per resource": cores / (ended or 1) * 1e3,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Ours less base, in the unit of the measure."""

    measure: str
    base: float
    mean: float
    low: float
    high: float

    @property
    def is_detected(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        unit = MEASURES[self.measure]
        if self.is_detected:
            share = self.mean / (self.base or 1)
            return (
                f"{self.measure} {self.mean:+.2f} {unit} [{self.low:.2f}, {self.high:.2f}]"
                f" ({share:+.0%} of {self.base:.2f} {unit})"
            )
        most = max(abs(self.low), abs(self.high))
        return (
            f"{self.measure}: no difference above {most:.2f} {unit}"
            f" ({most / (self.base or 1):.0%}) detectable"
        )


def differences(
    base: Sequence[Mapping[str, float]], ours: Sequence[Mapping[str, float]]
) -> list[Difference]:
    """Compare the k-th slice of one with the k-th of the other; it takes two pairs at least."""
    found = []
    for measure in MEASURES:
        pairs = [b[measure] - a[measure] for a, b in zip(base, ours, strict=True)]
        half = _T[min(len(pairs) - 1, len(_T)) - 1] * stdev(pairs) / sqrt(len(pairs))
        middle = mean(pairs)
        found.append(
            Difference(
                measure=measure,
                base=mean(each[measure] for each in base),
                mean=middle,
                low=middle - half,
                high=middle + half,
            )
        )
    return found
