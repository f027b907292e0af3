"""`fetchbox dlq`: list, replay, purge."""

import json
import re
from collections.abc import Callable

import pytest

from fetchbox.broker import streams
from fetchbox.broker.port import PartitionSpan
from fetchbox.cli.exits import Exit
from fetchbox.model.dead_letters import DeadLetterEntry, WantedDeadLetters
from fetchbox.model.job import Pointer
from fetchbox.model.outcome import DeadLetter
from fetchbox.model.task import DownloadTask
from tests.fakes.api import JOB_ID
from tests.fakes.served import ScriptedServer, ServedApi, answer
from tests.unit.cli.conftest import Run

ENTRY = DeadLetterEntry(
    pointer=Pointer(partition=1, offset=7),
    letter=DeadLetter(
        task=DownloadTask(
            job_id=JOB_ID, job_type="default", resource_id="cover.jpg", url="https://x.example/a"
        ),
        failure_code="DOWNLOAD_TOO_MANY_REDIRECTS",
        failure_message="more than 10 redirects, the last to \x1b[31mhttps://x.example",
        attempts=1,
        failed_at_ms=1_755_595_807_500,
    ),
)
FILTER = ["--job-id", "j", "--code", "X", "--partition", "1", "--offset", "7", "--limit", "5"]
WANTED = WantedDeadLetters(job_id="j", code="X", pointer=Pointer(partition=1, offset=7))


@pytest.fixture
def letters(api: ServedApi) -> ServedApi:
    api.dead_letters.entries[:] = [ENTRY]
    return api


def test_list_fits_eighty_columns_and_obeys_no_control_characters(
    run: Run, letters: ServedApi
) -> None:
    ended = run("dlq", "list", "--server", letters.url)
    assert ended.exit_code == Exit.OK, ended.stderr
    lines = ended.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].split()[:3] == ["1:7", JOB_ID, "DOWNLOAD_TOO_MANY_REDIRECTS"]
    assert re.fullmatch(r"[0-9]+d", lines[1].split()[3])
    assert lines[2].split()[0] == "cover.jpg"
    assert "\x1b" not in ended.stdout
    assert "\\x1b[31m" in "".join(line.strip() for line in lines)


@pytest.mark.parametrize("command", ["list", "replay"])
def test_filters_are_passed(run: Run, letters: ServedApi, command: str) -> None:
    assert run("dlq", command, *FILTER, "--server", letters.url).exit_code == Exit.OK
    assert letters.dead_letters.asked == [(WANTED, 5)]


@pytest.mark.parametrize("command", ["list", "replay"])
@pytest.mark.parametrize("half", [["--partition", "1"], ["--offset", "0"]])
def test_half_a_place_is_misuse(run: Run, command: str, half: list[str]) -> None:
    ended = run("dlq", command, *half)
    assert ended.exit_code == Exit.USAGE
    assert "go together" in ended.stderr


def test_empty_list_is_told(run: Run, api: ServedApi) -> None:
    ended = run("dlq", "list", "--server", api.url)
    assert (ended.exit_code, ended.stdout, ended.stderr) == (Exit.OK, "", "no dead letters\n")


def test_replay_tells_what_it_did(run: Run, letters: ServedApi) -> None:
    ended = run("dlq", "replay", "--server", letters.url)
    assert (ended.stdout, ended.stderr) == ("1 queued again, 0 skipped\n", "")


def test_what_was_skipped_is_explained(run: Run, scripted: Callable[..., ScriptedServer]) -> None:
    server = scripted(answer("200 OK", b'{"replayed": 1, "skipped": 2, "entries": []}'))
    ended = run("dlq", "replay", "--server", server.url)
    assert ended.stdout == "1 queued again, 2 skipped\n"
    assert ended.stderr.startswith("skipped: resources stored by now")


@pytest.mark.parametrize("command", ["list", "replay"])
def test_reached_limit_is_told(run: Run, letters: ServedApi, command: str) -> None:
    assert "raise --limit" in run("dlq", command, "--limit", "1", "--server", letters.url).stderr
    assert run("dlq", command, "--limit", "2", "--server", letters.url).stderr == ""


@pytest.mark.parametrize(
    ("command", "key"), [("list", "entries"), ("replay", "replayed"), ("purge", "purged")]
)
def test_json_is_the_answer(run: Run, letters: ServedApi, command: str, key: str) -> None:
    words = ["--yes"] if command == "purge" else []
    assert key in json.loads(run("dlq", command, *words, "--json", "--server", letters.url).stdout)


def fill(api: ServedApi) -> None:
    specs = streams.topic_specs(tasks_days=1, status_days=1, logs_days=1, dlq_days=1)
    api.call(api.broker.ensure(specs))
    api.call(api.broker.publish(streams.DLQ, "k", [b"x", b"y"]))


def left(api: ServedApi) -> int:
    return sum(span.next - span.first for span in api.call(describe(api)))


async def describe(api: ServedApi) -> list[PartitionSpan]:
    return list(await api.broker.describe(streams.DLQ))


def test_purge_asks_first(run: Run, api: ServedApi) -> None:
    fill(api)
    ended = run("dlq", "purge", "--server", api.url, stdin="n\n")
    assert ended.exit_code == Exit.REFUSED
    assert "cannot be undone" in ended.stderr
    assert left(api) == 2


@pytest.mark.parametrize(("words", "typed"), [([], "y\n"), (["--yes"], "")])
def test_purge_deletes_once_it_may(run: Run, api: ServedApi, words: list[str], typed: str) -> None:
    fill(api)
    ended = run("dlq", "purge", *words, "--server", api.url, stdin=typed)
    assert ended.stdout.endswith("2 dead letters deleted\n")
    assert left(api) == 0


def test_purge_without_anyone_to_ask_does_nothing(run: Run, api: ServedApi) -> None:
    fill(api)
    assert run("dlq", "purge", "--server", api.url).exit_code == Exit.REFUSED
    assert left(api) == 2
