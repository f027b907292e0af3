"""`fetchbox jobs`: list, show, logs."""

import json

import pytest

from fetchbox.broker import streams
from fetchbox.broker.port import BrokerUnavailableError
from fetchbox.cli.exits import Exit
from fetchbox.ledger.port import JobFilter
from fetchbox.model.job import JobState, LastError, Pointer
from fetchbox.model.outcome import LogEvent, LogLevel
from fetchbox.wire.codec import encode_log
from tests.fakes.api import JOB_ID
from tests.fakes.served import ServedApi, make_job
from tests.unit.cli.conftest import Run

SPECS = streams.topic_specs(tasks_days=1, status_days=1, logs_days=1, dlq_days=1)


def publish_logs(api: ServedApi, *messages: str) -> None:
    """Write one log event per message, as a worker would."""
    payloads = [
        encode_log(
            LogEvent(
                job_id=JOB_ID,
                resource_id="cover.jpg",
                level=LogLevel.WARN if "retry" in message else LogLevel.INFO,
                message=message,
                fields={"event": "task.x", "url": "u", "attempts": "2", "worker_id": "w"},
                timestamp_ms=1_755_595_801_250,
            )
        )
        for message in messages
    ]
    api.call(api.broker.ensure(SPECS))
    api.call(api.broker.publish(streams.LOGS, JOB_ID, payloads))


def test_list_fits_eighty_columns(run: Run, api: ServedApi) -> None:
    api.ledger.jobs = [
        make_job(job_type="a-job-type-with-a-long-name", resource_total=1000),
        make_job(state=JobState.PARTIAL, resource_completed=998, resource_failed=2),
    ]
    ended = run("jobs", "list", "--server", api.url)
    assert ended.exit_code == Exit.OK, ended.stderr
    head, first, second = ended.stdout.splitlines()
    assert head.split() == ["JOB", "STATUS", "DONE", "FAILED", "TYPE", "AGE"]
    assert first.split()[:3] == [JOB_ID, "in_progress", "1/1000"]
    assert second.split()[:4] == [JOB_ID, "failed", "998/3", "2"]
    assert all(len(line) <= 80 for line in (head, first, second))


def test_list_passes_filters_and_goes_on_at_a_cursor(run: Run, api: ServedApi) -> None:
    api.ledger.jobs = [make_job(job_id=f"j-{number}") for number in (3, 2, 1)]
    words = ["--status", "failed", "--job-type", "gallery", "--tenant", "größe", "--limit", "2"]
    first = run("jobs", "list", *words, "--server", api.url)
    assert api.ledger.asked == [JobFilter(status="failed", job_type="gallery", tenant="größe")]
    assert first.stderr.startswith("more: --cursor ")
    second = run("jobs", "list", "--cursor", first.stderr.split()[-1], "--server", api.url)
    assert second.stdout.splitlines()[1].split()[0] == "j-1"
    assert second.stderr == ""


def test_empty_list_is_told(run: Run, api: ServedApi) -> None:
    ended = run("jobs", "list", "--server", api.url)
    assert (ended.exit_code, ended.stdout, ended.stderr) == (Exit.OK, "", "no jobs\n")


def test_list_as_json_is_the_answer(run: Run, api: ServedApi) -> None:
    api.ledger.jobs = [make_job()]
    answer = json.loads(run("jobs", "list", "--json", "--server", api.url).stdout)
    assert answer["next_cursor"] is None
    assert [job["job_id"] for job in answer["jobs"]] == [JOB_ID]


def test_unknown_status_is_misuse(run: Run) -> None:
    assert run("jobs", "list", "--status", "partial").exit_code == Exit.USAGE


def test_show_tells_everything(run: Run, api: ServedApi) -> None:
    error = LastError(code="DOWNLOAD_TIMEOUT", message="no bytes", context={"attempt": "3"})
    api.ledger.stages = [
        make_job(
            state=JobState.PARTIAL,
            resource_completed=2,
            resource_failed=1,
            last_error=error,
            dlq=Pointer(partition=1, offset=7),
        )
    ]
    lines = run("jobs", "show", JOB_ID, "--server", api.url).stdout.splitlines()
    facts = dict(line.split(maxsplit=1) for line in lines if not line.startswith(("last", "dead")))
    assert facts["status"] == "failed (partial)"
    assert facts["resources"] == "2 of 3 completed, 1 failed"
    assert lines[-2] == "last error   DOWNLOAD_TIMEOUT: no bytes (attempt=3)"
    assert lines[-1] == "dead letter  jobs.dlq partition 1 offset 7"


def test_show_as_json(run: Run, api: ServedApi) -> None:
    api.ledger.stages = [make_job()]
    assert json.loads(run("jobs", "show", "x", "--json", "--server", api.url).stdout)["origin"]


@pytest.mark.parametrize("command", ["show", "logs"])
def test_unknown_job_is_not_found(run: Run, api: ServedApi, command: str) -> None:
    ended = run("jobs", command, "no such job", "--server", api.url)
    assert ended.exit_code == Exit.NOT_FOUND
    assert ended.stderr == "error: NOT_FOUND: no job has the id 'no such job'\n"


def test_logs_are_a_line_each(run: Run, api: ServedApi) -> None:
    publish_logs(api, "will retry", "task completed")
    api.ledger.stages = [make_job()]
    ended = run("jobs", "logs", JOB_ID, "--server", api.url)
    assert ended.exit_code == Exit.OK, ended.stderr
    assert ended.stdout.splitlines() == [
        "09:30:01.250 WARN  cover.jpg will retry attempts=2 url=u",
        "09:30:01.250 INFO  cover.jpg task completed attempts=2 url=u",
    ]


def test_logs_are_bounded(run: Run, api: ServedApi) -> None:
    publish_logs(api, *"abcdef")
    api.ledger.stages = [make_job()]
    words = ["--since-offset", "1", "--limit", "3", "--json"]
    lines = run("jobs", "logs", JOB_ID, *words, "--server", api.url).stdout.splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["b", "c", "d"]


def test_logs_that_cannot_be_read_are_an_error(run: Run, api: ServedApi) -> None:
    api.ledger.stages = [make_job()]
    api.broker.fail_next(BrokerUnavailableError("broker is away"))
    ended = run("jobs", "logs", JOB_ID, "--server", api.url)
    assert ended.exit_code == Exit.REFUSED
    assert ended.stderr == "error: QUEUE_UNAVAILABLE: broker is away\n"
