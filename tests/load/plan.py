"""What is sent, and when: the whole schedule follows from a workload and its seed. Pure.

Open model: a planned instant never moves because the service, or the generator, was slow.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

_UNITS: Final = {
    "": 1, "B": 1, "kB": 10**3, "MB": 10**6, "KiB": 2**10, "MiB": 2**20,
}  # fmt: skip
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kKM]?i?B?)")
_STAGE: Final = re.compile(r"([\d.]+)(?:-([\d.]+))?x([\d.]+)s?")
#: Answers of a resource that is meant to fail: given up at once, and tried again first.
FAULTS: Final = (404, 503)


class WrongPlanError(ValueError):
    """A part of the workload cannot be read; the text says which and how it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Some seconds at one rate, or from one rate to another."""

    seconds: float
    begin: float
    end: float

    @property
    def count(self) -> float:
        """How many manifests that are."""
        return self.seconds * (self.begin + self.end) / 2

    def instant(self, number: float) -> float:
        """Return when `number` manifests have been due, in seconds from its begin."""
        slope = (self.end - self.begin) / self.seconds
        if abs(slope) < 1e-9:  # level
            return number / self.begin
        return (sqrt(max(self.begin**2 + 2 * slope * number, 0)) - self.begin) / slope


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One resource of a manifest: a body of this size, or an answer that is an error."""

    size: int
    fault: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One manifest that is due."""

    number: int
    #: Seconds from the begin of the run.
    at_s: float
    is_proxied: bool
    wanted: Sequence[Wanted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """All that a run is to send."""

    stages: Sequence[Stage]
    resources: int
    #: Sizes of bodies with their weights.
    sizes: Sequence[tuple[int, float]]
    proxied: float = 0.0
    errors: float = 0.0
    seed: int = 1

    @property
    def seconds(self) -> float:
        """How long manifests are sent."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def peak_rate(self) -> float:
        """The highest planned rate, in manifests a second."""
        return max(max(stage.begin, stage.end) for stage in self.stages)

    @property
    def mean_size(self) -> float:
        """The mean size of a body, in bytes."""
        weights = sum(weight for _, weight in self.sizes)
        return sum(size * weight for size, weight in self.sizes) / weights

    def instants(self) -> Iterator[float]:
        """Yield when manifests are due, evenly along the stages."""
        begun_s, sent, number = 0.0, 0.0, 0
        for stage in self.stages:
            while number < sent + stage.count - 1e-6:
                yield begun_s + stage.instant(number - sent)
                number += 1
            begun_s += stage.seconds
            sent += stage.count

    def orders(self) -> Iterator[Order]:
        """Yield the schedule; the same for the same seed."""
        chance = random.Random(self.seed)  # noqa: S311  # a mix, no secret
        for number, at_s in enumerate(self.instants()):
            yield Order(
                number=number,
                at_s=at_s,
                is_proxied=chance.random() < self.proxied,
                wanted=[self._wanted(chance) for _ in range(self.resources)],
            )

    def _wanted(self, chance: random.Random) -> Wanted:
        sizes, weights = zip(*self.sizes, strict=True)
        (size,) = chance.choices(sizes, weights)
        is_fault = chance.random() < self.errors
        return Wanted(size=size, fault=chance.choice(FAULTS) if is_fault else 0)


def stages_of(text: str, rate: float, seconds: float) -> list[Stage]:
    """Read STAGES: a shape of RATE and DURATION by name, or `10x30,10-50x60,50x5`."""
    if not (rate > 0 and seconds > 0):
        msg = f"RATE={rate:g} and DURATION={seconds:g} have to be more than 0"
        raise WrongPlanError(msg)
    shapes = {
        "": f"{rate}x{seconds}",
        "steady": f"{rate}x{seconds}",
        "soak": f"{rate}x{seconds}",
        "ramp": f"0-{rate}x{seconds * 0.8},{rate}x{seconds * 0.2}",
        "spike": f"{rate}x{seconds * 0.4},{rate * 5}x{seconds * 0.1},{rate}x{seconds * 0.5}",
    }
    return [_stage(part.strip()) for part in shapes.get(text, text).split(",")]


def _stage(text: str) -> Stage:
    match = _STAGE.fullmatch(text)
    begin, end, seconds = (float(part or 0) for part in match.groups()) if match else (0, 0, 0)
    if match is None or not seconds or not begin + end:
        msg = f"STAGES: {text!r} is not RATExSECONDS or RATE-RATExSECONDS, nor ramp, spike or soak"
        raise WrongPlanError(msg)
    return Stage(seconds=seconds, begin=begin, end=end if match[2] else begin)


def sizes_of(text: str) -> list[tuple[int, float]]:
    """Read SIZE: `20kB`, or a mix with weights such as `1kB:70,100kB:25,5MB:5`."""
    return [_weighed(part.strip()) for part in text.split(",")]


def _weighed(text: str) -> tuple[int, float]:
    size, _, weight = text.partition(":")
    match = _SIZE.fullmatch(size)
    try:
        assert match is not None
        return int(float(match[1]) * _UNITS[match[2]]), float(weight or 1)
    except (AssertionError, KeyError, ValueError) as error:
        msg = f"SIZE: {text!r} is not a size such as 500B, 20kB or 5MiB, with :WEIGHT for a mix"
        raise WrongPlanError(msg) from error
