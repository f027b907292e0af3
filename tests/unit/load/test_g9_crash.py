"""What counts as a wrong row after a crash."""

from typing import Any

import pytest

from tests.load.bench.g9_crash import ledger_faults


def job(*states: str, **others: object) -> dict[str, Any]:
    figures = {
        "job_id": "j",
        "status": "completed",
        "resource_total": len(states),
        "resource_completed": len(states),
        "resource_failed": 0,
    }
    rows = [{"resource_id": str(n), "state": state} for n, state in enumerate(states)]
    return {**figures, "resources": rows, **others}


def test_all_completed_is_right() -> None:
    jobs = [job("completed", "completed"), job("completed", "completed")]

    assert ledger_faults(jobs, 2, 2) == []


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(job("completed", "failed"), id="a resource failed"),
        pytest.param(job("completed"), id="a resource is missing"),
        pytest.param(job("completed", "completed", status="in_progress"), id="not ended"),
        pytest.param(job("completed", "completed", resource_completed=3), id="counted twice"),
        pytest.param(job("completed", "completed", resource_failed=1), id="counted as failed"),
    ],
)
def test_wrong_row_is_found(wrong: dict[str, Any]) -> None:
    assert len(ledger_faults([wrong], 1, 2)) == 1


def test_lost_job_is_found() -> None:
    assert ledger_faults([job("completed")], 2, 1) == ["1 jobs, not 2"]
