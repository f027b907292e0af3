"""`fetchbox ledger`: export, prune, failures."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fetchbox.cli.exits import Exit
from fetchbox.cli.ledger import NDJSON
from fetchbox.model.job import JobState, LastError
from tests.fakes.served import ScriptedServer, ServedApi, broken_stream, make_job
from tests.unit.cli.conftest import Run

ROWS = [{"job_id": f"j-{number}", "resources": []} for number in range(3000)]


def test_export_is_one_document_a_line(run: Run, api: ServedApi, tmp_path: Path) -> None:
    api.ledger.rows = list(ROWS)
    target = tmp_path / "jobs.ndjson"
    target.write_text("older")
    ended = run("ledger", "export", "--out", str(target), "--server", api.url)
    assert ended.exit_code == Exit.OK, ended.stderr
    assert [json.loads(line) for line in target.read_text().splitlines()] == ROWS
    assert ended.stderr.startswith("3000 jobs written to")
    assert list(tmp_path.iterdir()) == [target]


def test_export_to_stdout(run: Run, api: ServedApi) -> None:
    api.ledger.rows = list(ROWS[:2])
    ended = run("ledger", "export", "--out", "-", "--server", api.url)
    assert ended.stdout == '{"job_id":"j-0","resources":[]}\n{"job_id":"j-1","resources":[]}\n'
    assert ended.stderr == ""


def test_export_that_breaks_off_leaves_the_older_file(
    run: Run, scripted: Callable[..., ScriptedServer], tmp_path: Path
) -> None:
    server = scripted(broken_stream(b'{"job_id":"j-0"}\n', NDJSON))
    target = tmp_path / "jobs.ndjson"
    target.write_text("older")
    ended = run("ledger", "export", "--out", str(target), "--server", server.url)
    assert ended.exit_code == Exit.UNREACHABLE
    assert "broke off" in ended.stderr
    assert target.read_text() == "older"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["no-folder/jobs.ndjson", "folder"])
def test_export_to_where_nothing_can_be_written(
    run: Run, api: ServedApi, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    ended = run("ledger", "export", "--out", str(tmp_path / name), "--server", api.url)
    assert ended.exit_code == Exit.REFUSED
    assert "cannot be written" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_prune_tells_how_many(run: Run, api: ServedApi) -> None:
    api.pruned = 12
    assert run("ledger", "prune", "--server", api.url).stdout == "12 jobs removed\n"
    ended = run("ledger", "prune", "--json", "--server", api.url)
    assert json.loads(ended.stdout) == {"pruned": 12}


def test_failures_say_why_within_eighty_columns(run: Run, api: ServedApi) -> None:
    error = LastError(code="DOWNLOAD_HTTP_5XX", message="origin answered 503 " * 5)
    api.ledger.jobs = [make_job(state=JobState.FAILED, resource_failed=2, last_error=error)]
    ended = run("ledger", "failures", "--server", api.url)
    assert ended.exit_code == Exit.OK, ended.stderr
    assert "DOWNLOAD_HTTP_5XX" in ended.stdout
    assert "1 of 3 completed, 2 failed" in ended.stdout
    assert all(len(line) <= 80 for line in ended.stdout.splitlines())


def test_failures_are_limited(run: Run, api: ServedApi) -> None:
    api.ledger.jobs = [make_job(), make_job()]
    ended = run("ledger", "failures", "--limit", "1", "--json", "--server", api.url)
    assert len(json.loads(ended.stdout)["jobs"]) == 1


def test_no_failures_is_told(run: Run, api: ServedApi) -> None:
    ended = run("ledger", "failures", "--server", api.url)
    assert (ended.exit_code, ended.stdout, ended.stderr) == (Exit.OK, "", "no failures\n")
