"""Retry policy as a value: how many attempts, and how long to wait between them (contract 5.5)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential back-off without jitter. `max_attempts` counts the first try."""

    max_attempts: int
    base_ms: int
    cap_ms: int


def backoff_ms(base_ms: int, failed_attempts: int, cap_ms: int) -> int:
    """Wait after the k-th failed attempt (k >= 1): `min(cap, base * 2**(k-1))` milliseconds."""
    return min(cap_ms, base_ms << min(failed_attempts - 1, 62))
