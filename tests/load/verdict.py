"""PASS, FAIL or INVALID, with every reason. Pure.

Lost or wrong data is FAIL whatever else was the matter; else numbers that say nothing are INVALID,
before a promise about them can be broken.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from statistics import median
from typing import Final, Self

from tests.load.meters import Sample
from tests.load.plan import Workload
from tests.load.surroundings import NAMES, SINGLE
from tests.load.tally import Tally
from tests.load.upstream import Ceiling

DEFAULT: Final = Path(__file__).with_name("slo.toml")


class Verdict(StrEnum):
    """How a run ended."""

    PASS = "PASS"
    FAIL = "FAIL"
    INVALID = "INVALID"

    @property
    def exit_code(self) -> int:
        """What the process ends with."""
        return {"PASS": 0, "FAIL": 1, "INVALID": 3}[self]


class WrongLimitsError(ValueError):
    """The file of limits cannot be used; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """What the service promises; None = nothing."""

    accept_p50_ms: float | None = None
    accept_p99_ms: float | None = None
    whole_p99_ms: float | None = None
    refused_share: float | None = None
    unexpected_share: float | None = None
    peak_rss_mb: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Valid:
    """Where numbers begin to say nothing."""

    late_ms: float = 10
    late_share: float = 0.001
    loop_lag_p99_ms: float = 5
    generator_cpu: float = 0.8
    upstream_share: float = 0.8
    upstream_ms: float = 250
    #: Cores of a part of the stack that can use one.
    environment_cpu: float = 0.8
    cpu_pressure: float = 60
    #: Not judged: an idle io_uring, such as that of Iggy, counts as waiting for I/O.
    io_pressure: float = 100
    memory_pressure: float = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Both tables of slo.toml."""

    slo: Slo
    valid: Valid

    @classmethod
    def read(cls, path: Path = DEFAULT) -> Self:
        """Read a file; raises WrongLimitsError."""
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
            unknown = set(tables) - {"slo", "valid"}
            unknown |= set(tables.get("slo", {})) - {field.name for field in fields(Slo)}
            unknown |= set(tables.get("valid", {})) - {field.name for field in fields(Valid)}
        except (OSError, tomllib.TOMLDecodeError) as error:
            msg = f"{path}: {error}"
            raise WrongLimitsError(msg) from error
        if unknown:
            msg = f"{path}: unknown: {', '.join(sorted(unknown))}; {DEFAULT} has all there are"
            raise WrongLimitsError(msg)
        return cls(slo=Slo(**tables.get("slo", {})), valid=Valid(**tables.get("valid", {})))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the look at ledger and bucket after the run gave."""

    #: One line for each thing that is lost, stray or wrong.
    breaches: Sequence[str] = ()
    jobs: int = 0
    #: Resources by the ledger.
    stored: int = 0
    failed: int = 0
    objects: int = 0
    #: Objects whose SHA-256 was compared.
    digested: int = 0
    #: Resources that failed though they should not have, or the reverse.
    unexpected: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All a verdict rests on."""

    workload: Workload
    tally: Tally
    #: Those of the time in which manifests were sent.
    samples: Sequence[Sample]
    ceiling: Ceiling
    account: Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict, and why it is not PASS: both kinds of reasons, the decisive ones first."""

    verdict: Verdict
    breaches: Sequence[str]
    invalid: Sequence[str]
    missed: Sequence[str]

    @property
    def reasons(self) -> list[str]:
        """All of them in the order of their weight."""
        return [*self.breaches, *self.invalid, *self.missed]


def judge(evidence: Evidence, limits: Limits) -> Judgement:
    """Hold a run to its limits."""
    breaches = list(evidence.account.breaches)
    invalid = list(_invalid(evidence, limits.valid))
    missed = list(_missed(evidence, limits.slo))
    verdict = Verdict.PASS
    if breaches:
        verdict = Verdict.FAIL
    elif invalid:
        verdict = Verdict.INVALID
    elif missed:
        verdict = Verdict.FAIL
    return Judgement(verdict=verdict, breaches=breaches, invalid=invalid, missed=missed)


def _missed(evidence: Evidence, slo: Slo) -> Iterator[str]:
    tally = evidence.tally
    found: Mapping[str, tuple[float, float | None]] = {
        "accept p50, ms": (tally.latencies.accept.percentile(50) * 1e3, slo.accept_p50_ms),
        "accept p99, ms": (tally.latencies.accept.percentile(99) * 1e3, slo.accept_p99_ms),
        "planned to completed p99, ms": (
            tally.latencies.whole.percentile(99) * 1e3,
            slo.whole_p99_ms,
        ),
        "share of manifests not accepted": (
            1 - len(tally.jobs) / max(tally.planned, 1),
            slo.refused_share,
        ),
        "share of resources that ended otherwise than they should": (
            evidence.account.unexpected / max(tally.accepted_resources, 1),
            slo.unexpected_share,
        ),
        "peak memory of API or workers, MB": (_peak_rss(evidence.samples), slo.peak_rss_mb),
    }
    for name, (value, limit) in found.items():
        if limit is not None and value > limit:
            yield f"{name}: {value:.4g}, promised {limit:g}"


def _peak_rss(samples: Sequence[Sample]) -> float:
    api = max((each.api_rss_bytes or 0 for each in samples), default=0)
    return max(api, *(each.worker_rss_bytes or 0 for each in samples), 0) / 1e6


def _invalid(evidence: Evidence, valid: Valid) -> Iterator[str]:
    tally = evidence.tally
    late_share = (tally.late + tally.unsent) / max(tally.planned, 1)
    if late_share > valid.late_share:
        yield (
            f"the generator was late: {tally.late} of {tally.planned} manifests left more than"
            f" {valid.late_ms:g} ms after they were due ({late_share:.2%}, at most"
            f" {valid.late_share:.2%})"
        )
    lag_ms = tally.loop_lag.percentile(99) * 1e3
    if lag_ms > valid.loop_lag_p99_ms:
        yield (
            f"the generator's event loop woke up late: p99 {lag_ms:.1f} ms, at most"
            f" {valid.loop_lag_p99_ms:g} ms"
        )
    cpu = _middle([each.generator_cpu for each in evidence.samples])
    if cpu > valid.generator_cpu:
        yield (
            f"the generator needed {cpu:.2f} cores of the one it can use, at most"
            f" {valid.generator_cpu:g}"
        )
    yield from _upstream(evidence, valid)
    yield from _surroundings(evidence.samples, valid)
    yield from _pressed(evidence.samples, valid)


def _upstream(evidence: Evidence, valid: Valid) -> Iterator[str]:
    needed, given = needed_share(evidence.workload, evidence.ceiling)
    if needed > valid.upstream_share * given:
        yield (
            f"the upstream was the limit: {needed:.0f} requests/s planned at the peak, {given:.0f}"
            f" were measured as its ceiling, and {valid.upstream_share:.0%} of that is for use"
        )
    asked = [each.upstream_ms for each in evidence.samples]
    answers = [ms for ms in asked if ms is not None]
    if asked and not answers:
        yield "the upstream never answered during the run"
    elif _middle(answers) > valid.upstream_ms:
        yield (
            f"the upstream was slow: {_middle(answers):.0f} ms for a small body (median), at most"
            f" {valid.upstream_ms:g} ms"
        )


def _surroundings(samples: Sequence[Sample], valid: Valid) -> Iterator[str]:
    for part in SINGLE:
        values: list[float | None] = [getattr(each, f"{part}_cpu") for each in samples]
        cores = _middle([value for value in values if value is not None])
        if cores > valid.environment_cpu:
            yield (
                f"the stack was the limit: {NAMES[part]} needed {cores:.2f} cores of the one"
                f" there is for it (median), at most {valid.environment_cpu:g}"
            )


def needed_share(workload: Workload, ceiling: Ceiling) -> tuple[float, float]:
    """Return the planned peak of requests to the upstream, and its ceiling, both per second."""
    return workload.peak_rate * workload.resources, ceiling.requests_per_s


def _pressed(samples: Sequence[Sample], valid: Valid) -> Iterator[str]:
    for of, limit in (
        ("cpu", valid.cpu_pressure),
        ("io", valid.io_pressure),
        ("memory", valid.memory_pressure),
    ):
        values: list[float | None] = [getattr(each, f"{of}_pressure") for each in samples]
        share = _middle([value for value in values if value is not None])
        if share > limit:
            yield (
                f"the machine was the limit: tasks waited for {of} {share:.0f} % of the time"
                f" (PSI, median), at most {limit:g} %"
            )


def _middle(values: Sequence[float]) -> float:
    return median(values) if values else 0.0
