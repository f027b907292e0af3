"""How the state of a job follows from its counted rows (contract 2.3)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchbox.model.job import (
    TERMINAL,
    Job,
    JobState,
    Origin,
    Pointer,
    Tally,
    shown_status,
    state_of,
)


@pytest.mark.parametrize(
    ("total", "completed", "failed", "facts", "state"),
    [
        pytest.param(3, 0, 0, {}, "queued", id="nothing-reported"),
        pytest.param(0, 0, 0, {}, "queued", id="total-unknown"),
        pytest.param(3, 0, 0, {"reported": True}, "in_progress", id="first-report"),
        pytest.param(3, 1, 0, {}, "in_progress", id="some-completed"),
        pytest.param(3, 1, 1, {"nonretryable": True}, "in_progress", id="never-terminal-early"),
        pytest.param(0, 0, 0, {"reported": True}, "in_progress", id="total-unknown-reported"),
        pytest.param(3, 3, 0, {}, "completed", id="all-completed"),
        pytest.param(3, 3, 0, {"nonretryable": True}, "completed", id="all-completed-by-replay"),
        pytest.param(3, 0, 3, {}, "failed", id="all-failed-retryably"),
        pytest.param(1, 0, 1, {}, "failed", id="the-only-one-failed"),
        pytest.param(3, 2, 1, {"nonretryable": True}, "failed", id="one-failed-for-good"),
        pytest.param(3, 2, 1, {}, "partial", id="one-ran-out-of-attempts"),
        pytest.param(3, 1, 2, {}, "partial", id="most-ran-out-of-attempts"),
        pytest.param(3, 0, 0, {"aborted": True}, "failed", id="ingest-aborted"),
        pytest.param(3, 3, 0, {"aborted": True}, "failed", id="aborted-whatever-was-done"),
    ],
)
def test_state_follows_from_the_counts(
    total: int, completed: int, failed: int, facts: dict[str, Any], state: str
) -> None:
    tally = Tally(total=total, completed=completed, failed=failed, **facts)
    assert state_of(tally) == state


TALLIES = st.integers(1, 9).flatmap(
    lambda total: st.integers(0, total).flatmap(
        lambda done: st.integers(0, done).map(
            lambda failed: Tally(total=total, completed=done - failed, failed=failed)
        )
    )
)


@given(tally=TALLIES)
def test_job_is_terminal_exactly_when_every_resource_is_accounted_for(tally: Tally) -> None:
    is_accounted = tally.completed + tally.failed == tally.total
    assert (state_of(tally) in TERMINAL) is is_accounted


@pytest.mark.parametrize(
    ("state", "status"),
    [
        pytest.param(JobState.QUEUED, "queued", id="queued"),
        pytest.param(JobState.IN_PROGRESS, "in_progress", id="in_progress"),
        pytest.param(JobState.COMPLETED, "completed", id="completed"),
        pytest.param(JobState.FAILED, "failed", id="failed"),
        pytest.param(JobState.PARTIAL, "failed", id="partial-shows-as-failed"),
    ],
)
def test_operators_see_four_statuses(state: JobState, status: str) -> None:
    assert shown_status(state) == status


@pytest.mark.parametrize(
    ("state", "expected"),
    [(JobState.QUEUED, False), (JobState.IN_PROGRESS, False)]
    + [(state, True) for state in sorted(TERMINAL)],
)
def test_job_knows_whether_it_is_terminal(state: JobState, expected: bool) -> None:  # noqa: FBT001  # a column
    job = Job(
        job_id="j",
        job_type="default",
        tenant="t",
        state=state,
        created_at_ms=1,
        updated_at_ms=1,
        resource_total=1,
        resource_completed=0,
        resource_failed=0,
        manifest_key="",
        log_cursor=Pointer(partition=0, offset=0),
        log_last_offset=0,
        last_error=None,
        dlq=None,
        trace_id="",
        origin=Origin.API,
        published_at_ms=None,
    )
    assert job.is_terminal is expected
