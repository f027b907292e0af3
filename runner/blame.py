"""Whose fault a red test is, in one line with the fact that says so. Pure rules over facts.

The first rule that applies wins: what is broken below explains what is broken above.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Culprit(StrEnum):
    """Where to look first."""

    HOST = "HOST"
    ENVIRONMENT = "ENVIRONMENT"
    TEST = "TEST"
    PRODUCT = "PRODUCT"


#: Share of time in which some task waited for the CPU (PSI `some avg10`), in percent.
STARVED_CPU: Final = 95.0
LOW_MEMORY_BYTES: Final = 256 << 20
LOW_DISK_BYTES: Final = 256 << 20
#: The product's own processes; everything else that dies is the environment.
OWN_SERVICES: Final = ("api", "worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFact:
    """How one service stood when the test failed."""

    name: str
    is_up: bool
    exit_code: int | None = None
    was_oom_killed: bool = False
    #: The test itself ended it, so that it is down proves nothing.
    by_test: bool = False
    #: What was seen instead of an answer.
    reason: str = ""
    #: How long before the failure it ended.
    ago_s: float | None = None

    @property
    def is_own(self) -> bool:
        """Whether it is FetchBox itself."""
        return self.name.partition("-")[0] in OWN_SERVICES

    def __str__(self) -> str:
        ago = f" {self.ago_s:.1f} s before" if self.ago_s is not None else ""
        if self.was_oom_killed:
            return f"{self.name} was killed for want of memory{ago}"
        ended = f"exit code {self.exit_code}{ago}" if self.exit_code is not None else self.reason
        return f"{self.name} is down ({ended})" if ended else f"{self.name} is down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was gathered about one failure."""

    error_type: str
    error_text: str
    is_wait: bool = False
    services: Sequence[ServiceFact] = ()
    cpu_pressure: float | None = None
    memory_free_bytes: int | None = None
    disk_free_bytes: int | None = None
    #: Requests no stub was there for, with the nearest stub's difference.
    near_misses: Sequence[str] = ()
    divergence: str | None = None
    error_lines: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """The verdict and its fact."""

    culprit: Culprit
    fact: str

    def __str__(self) -> str:
        return f"{self.culprit}: {self.fact}"


def blame(facts: Facts) -> Blame:
    """Judge one failure."""
    for culprit, rule in RULES:
        if fact := rule(facts):
            return Blame(culprit=culprit, fact=fact)
    return Blame(culprit=Culprit.PRODUCT, fact=_first_line(facts.error_text))


def _exhausted_host(facts: Facts) -> str | None:
    if facts.disk_free_bytes is not None and facts.disk_free_bytes < LOW_DISK_BYTES:
        return f"only {facts.disk_free_bytes >> 20} MiB of disk were free"
    if facts.memory_free_bytes is not None and facts.memory_free_bytes < LOW_MEMORY_BYTES:
        return f"only {facts.memory_free_bytes >> 20} MiB of memory were free"
    return None


def _dead_backing(facts: Facts) -> str | None:
    down = (each for each in facts.services if not each.is_up and not each.by_test)
    return next((str(each) for each in down if not each.is_own), None)


def _dead_product(facts: Facts) -> str | None:
    down = (each for each in facts.services if not each.is_up and not each.by_test)
    return next((str(each) for each in down if each.is_own), None)


def _starved_host(facts: Facts) -> str | None:
    if facts.is_wait and (facts.cpu_pressure or 0) >= STARVED_CPU:
        return f"tasks waited for the CPU {facts.cpu_pressure:.0f} % of the time during the wait"
    return None


def _wrong_stub(facts: Facts) -> str | None:
    return f"no stub fits a request: {facts.near_misses[0]}" if facts.near_misses else None


def _broken_test(facts: Facts) -> str | None:
    is_count = facts.error_type == "ValueError" and _WRONG_COUNT in facts.error_text
    if is_count or facts.error_type in _ASSERTIONS:
        return None
    return f"the test raised {facts.error_type}: {_first_line(facts.error_text)}"


def _error_logged(facts: Facts) -> str | None:
    return f"logged an error: {facts.error_lines[0]}" if facts.error_lines else None


def _hop_diverged(facts: Facts) -> str | None:
    return f"first divergence: {facts.divergence}" if facts.divergence else None


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:300] or "the assertion gave no text"


#: `(letter,) = ...` is how tests insist on a number of things.
_WRONG_COUNT: Final = "values to unpack"
#: Errors that do not say that the test is wrong: assertions, and what was asked did not answer.
_ASSERTIONS: Final = frozenset(
    {
        *("AssertionError", "WaitFailedError", "Failed"),
        *("ConnectionError", "ConnectTimeout", "ReadTimeout", "ChunkedEncodingError"),
        *("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "TimeoutExpired"),
        *("ConnectionResetError", "ConnectionRefusedError", "TimeoutError", "BrokenPipeError"),
    }
)

RULES: Final[Sequence[tuple[Culprit, Callable[[Facts], str | None]]]] = (
    (Culprit.HOST, _exhausted_host),
    (Culprit.ENVIRONMENT, _dead_backing),
    (Culprit.PRODUCT, _dead_product),
    (Culprit.HOST, _starved_host),
    (Culprit.TEST, _wrong_stub),
    (Culprit.TEST, _broken_test),
    (Culprit.PRODUCT, _error_logged),
    (Culprit.PRODUCT, _hop_diverged),
)
