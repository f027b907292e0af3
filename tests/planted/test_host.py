"""A machine so busy that nothing is done in time."""

from pathlib import Path

import pytest

from runner.host import PROC
from runner.waiting import wait_until
from tests.common.context import TestContext


@pytest.fixture
def busy_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault: the kernel says that tasks wait for the CPU nearly all of the time."""
    pressure = tmp_path / "pressure"
    pressure.mkdir()
    (pressure / "cpu").write_text("some avg10=97.31 avg60=80.00 avg300=44.00 total=1\n")
    monkeypatch.setenv(PROC, str(tmp_path))


@pytest.mark.usefixtures("busy_host")
def test_job_is_done_in_time(context: TestContext) -> None:
    context.run({"small": context.serve("small")})
    wait_until(lambda: False, 0.1, "the job to be done in time")
