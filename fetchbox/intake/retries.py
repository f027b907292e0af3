"""Repeat a call that failed for a passing reason (contract 5.5: exponential, no jitter)."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina

from fetchbox.model.failure import FetchBoxError
from fetchbox.model.retry import RetryPolicy

T = TypeVar("T")


async def with_retries(policy: RetryPolicy, call: Callable[[], Awaitable[T]]) -> T:
    """Return what `call` returns; raises its last error.

    `call` takes no arguments, so that stamina's log line cannot show a body.
    """
    retrying = stamina.AsyncRetryingCaller(
        attempts=policy.max_attempts,
        timeout=None,
        wait_initial=policy.base_ms / 1000,
        wait_max=policy.cap_ms / 1000,
        wait_jitter=0,
        wait_exp_base=2,
    )
    return await retrying(_is_passing, call)


def _is_passing(error: Exception) -> bool:
    return isinstance(error, FetchBoxError) and error.failure.retryable
