"""Evidence is gathered in time whatever happens, and reads back as it was written."""

import time
from pathlib import Path
from threading import Event

import pytest

from runner.blame import Facts, ServiceFact
from runner.evidence import Evidence, Unread, folder_of, look_at_all, read_all, write
from runner.timeline import Hop, Sighting, Timeline

EVIDENCE = Evidence(
    test="tests/integration/test_x.py::test_y[a/b]",
    phase="teardown",
    began_ms=1,
    failed_ms=2,
    facts=Facts(
        error_type="AssertionError",
        error_text="no",
        services=(ServiceFact(name="s3", is_up=False, reason="refused"),),
        near_misses=["GET /x"],
    ),
    host={"load": "1"},
    jobs=[
        Timeline(
            job_id="j",
            sightings=[Sighting(at_ms=3, source="api", text="t", hop=Hop.ACCEPTED)],
            resources=frozenset({"a"}),
            failed=frozenset({"a"}),
            unobserved=frozenset({Hop.SETTLED}),
            exempt={Hop.REQUESTED: frozenset({"a"})},
        )
    ],
    gaps=["x"],
)


def test_evidence_reads_back_as_written(tmp_path: Path) -> None:
    folder = write(EVIDENCE, tmp_path, {"logs/api.txt": "line", "bucket.json": {"a": 1}})
    (found,) = read_all(tmp_path)
    assert str(found.blame) == str(EVIDENCE.blame)
    assert found.jobs[0] == EVIDENCE.jobs[0]
    assert found.facts.services == EVIDENCE.facts.services
    assert (folder / "logs/api.txt").read_text() == "line"
    assert "accepted" in (folder / "timeline.txt").read_text()


def test_a_verdict_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    folder = write(EVIDENCE, tmp_path, {})
    (folder / "verdict.json").write_text("{")
    assert read_all(tmp_path) == []


@pytest.mark.parametrize(
    ("test", "folder"),
    [
        ("tests/integration/test_x.py::test_y", "test_x.test_y"),
        ("tests/integration/test_x.py::test_y[a/b-1]", "test_x.test_y-a-b-1"),
        ("test_x.py::TestZ::test_y", "test_x.TestZ.test_y"),
    ],
    ids=["plain", "parameters", "class"],
)
def test_folder_names_fit_every_file_system(test: str, folder: str) -> None:
    assert folder_of(test) == folder


def test_looks_that_fail_or_hang_are_gaps_and_delay_nothing() -> None:
    never, begun = Event(), time.monotonic()

    def broken() -> str:
        raise KeyError("lost")

    found = look_at_all({"good": lambda: 1, "broken": broken, "hangs": never.wait}, budget_s=0.2)

    never.set()
    assert found["good"] == 1
    assert found["broken"] == Unread("KeyError: 'lost'")
    assert found["hangs"] == Unread("no answer within 0.2 s")
    assert time.monotonic() - begun < 2
