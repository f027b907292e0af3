"""Which calls are repeated, how often, and how long is waited in between (contract 5.5)."""

from collections.abc import Iterator

import pytest
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from fetchbox.intake.retries import with_retries
from fetchbox.model.failure import FailureCode, FetchBoxError, fail
from fetchbox.model.retry import RetryPolicy

PASSING = fail(FailureCode.STORAGE_UNAVAILABLE, "slow down")
FINAL = fail(FailureCode.STORAGE_ERROR, "no")


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """Collect what was waited, in seconds."""
    found: list[float] = []

    def note(details: RetryDetails) -> None:
        found.append(details.wait_for)

    set_on_retry_hooks([note])
    yield found
    set_on_retry_hooks(None)


async def calls_until_end(policy: RetryPolicy, *errors: Exception) -> tuple[int, object]:
    """Let the first calls raise `errors`; return how many were made, and how it ended."""
    left, calls = list(errors), 0

    async def call() -> str:
        nonlocal calls
        calls += 1
        if left:
            raise left.pop(0)
        return "done"

    try:
        ending: object = await with_retries(policy, call)
    except (FetchBoxError, ValueError) as error:
        ending = error
    return calls, ending


@pytest.mark.parametrize(
    ("errors", "calls", "ends_with"),
    [
        pytest.param([], 1, "done", id="at-once"),
        pytest.param([PASSING, PASSING], 3, "done", id="third-time-lucky"),
        pytest.param([PASSING] * 3, 3, PASSING, id="given-up"),
        pytest.param([FINAL], 1, FINAL, id="final"),
        pytest.param([PASSING, FINAL], 2, FINAL, id="final-in-the-end"),
    ],
)
async def test_only_passing_failures_are_repeated(
    errors: list[Exception], calls: int, ends_with: object
) -> None:
    policy = RetryPolicy(max_attempts=3, base_ms=0, cap_ms=0)
    assert await calls_until_end(policy, *errors) == (calls, ends_with)


async def test_bug_is_not_repeated() -> None:
    bug = ValueError()
    policy = RetryPolicy(max_attempts=3, base_ms=0, cap_ms=0)
    assert await calls_until_end(policy, bug) == (1, bug)


async def test_wait_doubles_up_to_the_cap_without_jitter(waits: list[float]) -> None:
    policy = RetryPolicy(max_attempts=4, base_ms=2, cap_ms=5)
    await calls_until_end(policy, *[PASSING] * 4)
    assert waits == pytest.approx([0.002, 0.004, 0.005])
