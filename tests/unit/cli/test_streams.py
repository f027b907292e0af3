"""`fetchbox streams` on the SQLite broker of an empty folder."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fetchbox.cli.exits import Exit
from fetchbox.cli.main import app

TASK = {
    "job_id": "0198c1c5-3c1e-7d0a-9f6b-2f6f3b1c9a10",
    "job_type": "default",
    "resource_id": "cat",
    "url": "http://cats.example/cat.jpg",
}


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("fetchbox")
    before = root.handlers, root.level, own.level
    yield
    root.handlers, root.level, own.level = before
    logging.captureWarnings(capture=False)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    return CliRunner(env={"COLUMNS": "200"})


def test_setup_makes_topics_and_buckets_and_can_be_repeated(run: CliRunner, tmp_path: Path) -> None:
    first = run.invoke(app, ["streams", "setup"])
    again = run.invoke(app, ["streams", "setup"])
    assert first.exit_code == again.exit_code == Exit.OK
    assert first.stdout == again.stdout
    assert "topic jobs.tasks: 8 partitions" in first.stdout.splitlines()
    assert "bucket fetchbox-gallery" in first.stdout.splitlines()
    assert (tmp_path / "data/objects/fetchbox-gallery").is_dir()


def test_describe_tells_what_is_there(run: CliRunner) -> None:
    before = run.invoke(app, ["streams", "describe"])
    assert "jobs.dlq     does not exist; run fetchbox streams setup" in before.stdout.splitlines()
    run.invoke(app, ["streams", "setup"])
    run.invoke(app, ["streams", "publish-task", "--file", "-"], input=json.dumps(TASK))
    lines = run.invoke(app, ["streams", "describe"]).stdout.splitlines()
    assert sum("1 messages, offsets 0 to 0" in line for line in lines) == 1
    assert "jobs.dlq     partition 1: empty" in lines


def test_published_task_is_told_its_place(run: CliRunner, tmp_path: Path) -> None:
    run.invoke(app, ["streams", "setup"])
    file = tmp_path / "task.json"
    file.write_text(json.dumps(TASK))
    result = run.invoke(app, ["streams", "publish-task", "--file", str(file)])
    assert result.exit_code == Exit.OK
    assert result.stdout.startswith(f"{TASK['job_id']} cat: partition ")
    assert result.stdout.endswith(", offset 0\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("{", "JSON", id="no-json"),
        pytest.param(json.dumps({**TASK, "url": "ftp://x"}), "url must be", id="url"),
        pytest.param(json.dumps({"job_id": "j"}), "job_type", id="incomplete"),
    ],
)
def test_bad_task_is_refused_in_one_line(run: CliRunner, text: str, says: str) -> None:
    run.invoke(app, ["streams", "setup"])
    result = run.invoke(app, ["streams", "publish-task", "--file", "-"], input=text)
    assert result.exit_code == Exit.REFUSED
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["tail-status", "tail-logs"])
def test_tail_of_a_quiet_job_is_empty(run: CliRunner, command: str) -> None:
    run.invoke(app, ["streams", "setup"])
    result = run.invoke(app, ["streams", command, "--job-id", "j", "--no-follow"])
    assert (result.exit_code, result.stdout) == (Exit.OK, "")


def test_tail_without_topics_says_how_to_make_them(run: CliRunner) -> None:
    result = run.invoke(app, ["streams", "tail-logs", "--job-id", "j", "--no-follow"])
    assert result.exit_code == Exit.UNREACHABLE
    assert "streams setup" in result.stderr


def test_bad_configuration_is_reported_first(run: CliRunner) -> None:
    env = {"FETCHBOX__BROKER__PROVIDER": "kafka"}
    result = run.invoke(app, ["streams", "describe"], env=env)
    assert result.exit_code == Exit.CONFIG
    assert "broker.provider = kafka" in result.stderr
