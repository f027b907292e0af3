"""`fetchbox submit`: what is sent, what is shown while waiting, how it ends."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec
import pytest

from fetchbox.api.answers import job_answer
from fetchbox.cli.exits import Exit
from fetchbox.cli.http import ApiClient, ClientError
from fetchbox.cli.progress import Display, Stand
from fetchbox.cli.submit import PATIENCE_S, JobWait, Watch
from fetchbox.model.failure import FailureCode, fail
from fetchbox.model.job import JobState, LastError
from tests.fakes.api import JOB_ID
from tests.fakes.served import ScriptedServer, ServedApi, answer, make_job
from tests.unit.cli.conftest import Run

MANIFEST = b'{"manifest_version": "v1", "metadata": {}, "resources": []}'
DONE = make_job(state=JobState.COMPLETED, resource_completed=3)
FAILED = make_job(
    state=JobState.PARTIAL,
    resource_completed=2,
    resource_failed=1,
    last_error=LastError(code="DOWNLOAD_HTTP_5XX", message="origin answered 503"),
)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "manifest.json"
    path.write_bytes(MANIFEST)
    return str(path)


def test_manifest_is_sent_with_what_was_asked_for(run: Run, api: ServedApi, file: str) -> None:
    options = ["--job-type", "gallery", "--tenant", "größe", "--idempotency-key", "k-1"]
    ended = run("submit", file, *options, "--server", api.url)
    assert ended.exit_code == Exit.OK, ended.stderr
    assert ended.stdout == f"job {JOB_ID}: 3 resources queued\n"
    (sent,) = api.intake.submissions
    assert (sent.job_type, sent.tenant, sent.idempotency_key) == ("gallery", "größe", "k-1")
    assert sent.body == MANIFEST


def test_manifest_is_read_from_stdin_and_compressed(run: Run, api: ServedApi) -> None:
    ended = run("submit", "-", "--gzip", "--server", api.url, stdin=MANIFEST)
    assert ended.exit_code == Exit.OK, ended.stderr
    assert api.intake.submissions[0].body == MANIFEST


def test_compressed_bytes_go_over_the_wire(
    run: Run, scripted: Callable[..., ScriptedServer], file: str
) -> None:
    accepted = b'{"job_id":"j","manifest_key":"s3://b/j","resource_count":1}'
    server = scripted(answer("202 Accepted", accepted))
    assert run("submit", file, "--gzip", "--server", server.url).exit_code == Exit.OK
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert gzip.decompress(body) == MANIFEST


def test_json_is_the_answer(run: Run, api: ServedApi, file: str) -> None:
    ended = run("submit", file, "--json", FETCHBOX_SERVER=api.url)
    assert json.loads(ended.stdout) == {
        "job_id": JOB_ID,
        "manifest_key": f"s3://b/{JOB_ID}",
        "resource_count": 3,
    }


def test_refusal_says_why(run: Run, api: ServedApi, file: str) -> None:
    api.intake.fail_next(fail(FailureCode.VALIDATION_MISSING_FIELD, "metadata is missing; add it"))
    ended = run("submit", file, "--server", api.url)
    assert ended.exit_code == Exit.REFUSED
    assert ended.stderr == "error: INVALID_PAYLOAD: metadata is missing; add it\n"
    assert ended.stdout == ""


def test_refusal_after_the_job_was_made_names_it(run: Run, api: ServedApi, file: str) -> None:
    error = fail(FailureCode.SYSTEM_QUEUE_UNAVAILABLE, "the job could not be queued")
    error.job_id = "j-9"
    api.intake.fail_next(error)
    ended = run("submit", file, "--server", api.url)
    assert ended.exit_code == Exit.REFUSED
    assert "(job j-9)" in ended.stderr


def test_wait_shows_progress_in_lines_and_ends_well(run: Run, api: ServedApi, file: str) -> None:
    api.ledger.stages = [make_job(), make_job(), DONE]
    ended = run("submit", file, "--wait", "--server", api.url)
    assert ended.exit_code == Exit.OK, ended.stderr
    assert ended.stdout == f"job {JOB_ID} completed: 3 of 3 resources stored\n"
    shown = [line.rpartition(",")[0] for line in ended.stderr.splitlines()[1:]]
    assert shown == ["in_progress 1/3, 0 failed", "completed 3/3, 0 failed"]


def test_wait_for_a_job_that_fails(run: Run, api: ServedApi, file: str) -> None:
    api.ledger.stages = [FAILED]
    ended = run("submit", file, "--wait", "--server", api.url)
    assert ended.exit_code == Exit.REFUSED
    assert ended.stdout == (
        f"job {JOB_ID} failed: 2 of 3 resources stored, 1 failed; "
        "last error DOWNLOAD_HTTP_5XX: origin answered 503\n"
    )
    assert "last error DOWNLOAD_HTTP_5XX" in ended.stderr


def test_wait_as_json_ends_with_the_snapshot(run: Run, api: ServedApi, file: str) -> None:
    api.ledger.stages = [FAILED]
    ended = run("submit", file, "--wait", "--json", "--server", api.url)
    assert ended.exit_code == Exit.REFUSED
    assert json.loads(ended.stdout)["state"] == "partial"


def test_wait_ends_in_time(run: Run, api: ServedApi, file: str) -> None:
    api.ledger.stages = [make_job()]
    ended = run("submit", file, "--wait", "--timeout", "0", "--server", api.url)
    assert ended.exit_code == Exit.REFUSED
    assert f"see `fetchbox jobs show {JOB_ID}`" in ended.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["/no/such/file"], "No such file", id="no-file"),
        pytest.param([], "Missing argument", id="no-argument"),
        pytest.param(["-", "--timeout", "-1"], "--timeout", id="negative-timeout"),
        pytest.param(["-", "--tenant", "a\nb"], "control characters", id="line-break"),
        pytest.param(["-", "--server", "ftp://x"], "--server", id="not-http"),
    ],
)
def test_misuse_is_told(run: Run, words: list[str], message: str) -> None:
    ended = run("submit", *words, stdin=MANIFEST)
    assert ended.exit_code == Exit.USAGE
    assert message in ended.stderr


# The wait, with time in the test's hands.


class Sayings:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.stands: list[Stand] = []
        self.said: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, stand: Stand) -> None:
        self.stands.append(stand)

    def say(self, text: str) -> None:
        self.said.append(text)


class HandClock:
    """Time that passes only in pauses."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds

    @property
    def watch(self) -> Watch:
        return Watch(now=lambda: self.now_s, pause=self.pause)


def wait_on(server: str, display: Display, clock: HandClock) -> JobWait:
    api = ApiClient(server)
    return JobWait(api=api, job_id="j", timeout_s=None, display=display, watch=clock.watch)


def test_wait_looks_ever_less_often_and_tells_the_rate(api: ServedApi) -> None:
    stages = [make_job(resource_total=100, resource_completed=done) for done in range(1, 10)]
    api.ledger.stages = [*stages, DONE]
    clock, display = HandClock(), Sayings()
    assert wait_on(api.url, display, clock).run() == job_answer(DONE)
    assert clock.pauses[:3] == pytest.approx([0.1, 0.15, 0.225])
    assert clock.pauses[-1] == 1.0
    assert display.stands[0].per_second == 0
    assert display.stands[2].per_second == pytest.approx(2 / 0.25)


def test_wait_survives_a_server_that_comes_back(scripted: Callable[..., ScriptedServer]) -> None:
    snapshot = msgspec.json.encode(job_answer(DONE))
    server = scripted(b"", b"", answer("200 OK", snapshot))
    clock, display = HandClock(), Sayings()
    assert wait_on(server.url, display, clock).run().status == "completed"
    assert len(display.said) == 2
    assert display.said[0].endswith("still trying")


def test_wait_gives_up_on_a_server_that_stays_away() -> None:
    clock, display = HandClock(), Sayings()
    with pytest.raises(ClientError, match="was accepted and goes on") as caught:
        wait_on("http://127.0.0.1:9", display, clock).run()
    assert caught.value.code == Exit.UNREACHABLE
    assert PATIENCE_S <= clock.now_s < PATIENCE_S + 2
