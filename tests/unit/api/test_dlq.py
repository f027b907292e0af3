"""Dead letters over HTTP."""

from typing import Any

import pytest

from fetchbox.api.app import ApiServices
from fetchbox.broker import streams
from fetchbox.broker.port import TopicSpec
from fetchbox.model.dead_letters import DeadLetterEntry, WantedDeadLetters
from fetchbox.model.job import Pointer
from fetchbox.model.outcome import DeadLetter
from fetchbox.model.task import DownloadTask
from tests.fakes.api import FakeDeadLetters
from tests.fakes.asgi import AsgiClient, Headers

JSON: Headers = {"Content-Type": "application/json"}
ENTRY = DeadLetterEntry(
    pointer=Pointer(partition=1, offset=7),
    letter=DeadLetter(
        task=DownloadTask(
            job_id="j-1",
            job_type="default",
            resource_id="a",
            url="https://x.example/a",
            headers=(("authorization", "Bearer secret"),),
            tenant="acme",
            trace_id="t",
        ),
        failure_code="DOWNLOAD_HTTP_5XX",
        failure_message="origin answered 503",
        attempts=3,
        failed_at_ms=1_755_595_807_500,
        metadata={"status": "503"},
    ),
)
SHOWN = {
    "partition": 1,
    "offset": 7,
    "job_id": "j-1",
    "job_type": "default",
    "tenant": "acme",
    "resource_id": "a",
    "url": "https://x.example/a",
    "code": "DOWNLOAD_HTTP_5XX",
    "message": "origin answered 503",
    "attempts": 3,
    "attempt": 1,
    "failed_at": "2025-08-19T09:30:07.500Z",
    "trace_id": "t",
    "context": {"status": "503"},
}


@pytest.fixture
def letters(services: ApiServices) -> FakeDeadLetters:
    assert isinstance(services.dead_letters, FakeDeadLetters)
    services.dead_letters.asked.clear()
    services.dead_letters.entries[:] = [ENTRY]
    return services.dead_letters


@pytest.fixture
def client(make_client: Any) -> AsgiClient:
    made = make_client()
    assert isinstance(made, AsgiClient)
    return made


async def test_dead_letters_are_listed_without_request_headers(
    client: AsgiClient, letters: FakeDeadLetters
) -> None:
    answer = await client.get("/operators/dlq")
    assert answer.json == {"entries": [SHOWN]}
    assert letters.asked == [(WantedDeadLetters(), 1000)]


FILTERS = [
    pytest.param({"job_id": "j-1"}, WantedDeadLetters(job_id="j-1"), 1000, id="job"),
    pytest.param({"code": "X"}, WantedDeadLetters(code="X"), 1000, id="code"),
    pytest.param(
        {"partition": 1, "offset": 7},
        WantedDeadLetters(pointer=Pointer(partition=1, offset=7)),
        1000,
        id="place",
    ),
    pytest.param({"limit": 5}, WantedDeadLetters(), 5, id="limit"),
]


@pytest.mark.parametrize(("query", "wanted", "limit"), FILTERS)
async def test_list_is_filtered(
    client: AsgiClient,
    letters: FakeDeadLetters,
    query: dict[str, Any],
    wanted: WantedDeadLetters,
    limit: int,
) -> None:
    text = "&".join(f"{name}={value}" for name, value in query.items())
    assert (await client.get(f"/operators/dlq?{text}")).status == 200
    assert letters.asked == [(wanted, limit)]


@pytest.mark.parametrize(("query", "wanted", "limit"), FILTERS)
async def test_replay_is_filtered_by_its_body(
    client: AsgiClient,
    letters: FakeDeadLetters,
    query: dict[str, Any],
    wanted: WantedDeadLetters,
    limit: int,
) -> None:
    answer = await client.post("/operators/dlq/replay", JSON, str(query).replace("'", '"').encode())
    assert answer.json == {"replayed": 1, "skipped": 0, "entries": [SHOWN]}
    assert letters.asked == [(wanted, limit)]


async def test_replay_without_a_body_takes_all(
    client: AsgiClient, letters: FakeDeadLetters
) -> None:
    assert (await client.post("/operators/dlq/replay")).status == 200
    assert letters.asked == [(WantedDeadLetters(), 1000)]


@pytest.mark.parametrize(
    ("target", "headers", "body", "reason"),
    [
        pytest.param("?job_id=j-1", {}, b"", "VALIDATION_INVALID_FIELD", id="filter-in-query"),
        pytest.param("", {}, b"{}", "VALIDATION_INVALID_CONTENT_TYPE", id="no-content-type"),
        pytest.param("", JSON, b"{", "VALIDATION_INVALID_JSON", id="broken"),
        pytest.param("", JSON, b"[" * 1000, "VALIDATION_INVALID_FIELD", id="array"),
        pytest.param(
            "", JSON, b'{"job_id":' + b"[" * 20_000, "VALIDATION_INVALID_FIELD", id="deep"
        ),
        pytest.param("", JSON, b'{"job_id":"\xff"}', "VALIDATION_INVALID_JSON", id="not-utf-8"),
        pytest.param("", JSON, b'{"jobid":"x"}', "VALIDATION_INVALID_FIELD", id="unknown-name"),
        pytest.param("", JSON, b'{"limit":0}', "VALIDATION_INVALID_FIELD", id="limit"),
        pytest.param("", JSON, b'{"offset":1}', "VALIDATION_INVALID_FIELD", id="half-a-place"),
    ],
)
async def test_bad_filter_replays_nothing(
    client: AsgiClient,
    letters: FakeDeadLetters,
    target: str,
    headers: Headers,
    body: bytes,
    reason: str,
) -> None:
    answer = await client.post("/operators/dlq/replay" + target, headers, body)
    assert (answer.status, answer.json["error"]["details"]["reason"]) == (400, reason)
    assert letters.asked == []


async def test_huge_filter_is_refused(client: AsgiClient, letters: FakeDeadLetters) -> None:
    answer = await client.post("/operators/dlq/replay", JSON, b" " * 70_000)
    assert answer.status == 413
    assert letters.asked == []


async def test_purge_empties_the_topic_and_tells_how_many(
    client: AsgiClient, services: ApiServices
) -> None:
    await services.broker.ensure([TopicSpec(name=streams.DLQ, partitions=2, retention_ms=1)])
    for key in "abc":
        await services.broker.publish(streams.DLQ, key, [b"x"])
    assert (await client.post("/operators/dlq/purge")).json == {"purged": 3}
    assert (await client.post("/operators/dlq/purge")).json == {"purged": 0}
