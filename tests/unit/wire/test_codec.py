"""Every message survives the wire, and what cannot be read is refused (contract 4.5, 4.6)."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchbox.model.failure import FailureCode
from fetchbox.model.job import JobState, Pointer
from fetchbox.model.outcome import DeadLetter, LogEvent, LogLevel, Outcome, StatusEvent
from fetchbox.model.task import DownloadTask, ProxyHint, StorageHint
from fetchbox.wire import codec
from fetchbox.wire import jobs_pb2 as pb
from tests.factories import make_dead_letter, make_log, make_outcome, make_status, make_task

TEXT = st.text(max_size=8)
LOWER = TEXT.map(str.lower).filter(lambda text: text == text.lower())
U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
PAIRS = st.dictionaries(TEXT, TEXT, max_size=3)

TASKS = st.builds(
    DownloadTask,
    job_id=TEXT,
    job_type=TEXT,
    resource_id=TEXT,
    url=TEXT,
    headers=st.lists(st.tuples(LOWER, TEXT), max_size=3).map(tuple),
    proxy_hint=st.none()
    | st.builds(ProxyHint, primary_pool=TEXT, fallbacks=st.lists(TEXT, max_size=3).map(tuple)),
    storage_hint=st.none()
    | st.builds(StorageHint, bucket=TEXT, key_prefix=TEXT, metadata=PAIRS, key=TEXT),
    tags=PAIRS,
    checksum_hint=TEXT,
    mime_hint=TEXT,
    extra=st.binary(max_size=8),
    manifest_key=TEXT,
    attempt=U32,
    tenant=TEXT,
    trace_id=TEXT,
)
OUTCOMES = st.builds(
    Outcome,
    resource_id=TEXT,
    state=st.sampled_from([JobState.COMPLETED, JobState.FAILED]),
    failure_code=TEXT,
    failure_message=TEXT,
    retryable=st.booleans(),
    attempts=U32,
    storage_key=TEXT,
    size_bytes=U64,
    dlq=st.none() | st.builds(Pointer, partition=U32, offset=U64),
    context=st.dictionaries(TEXT, TEXT, max_size=3),
)
STATUSES = st.builds(
    StatusEvent,
    job_id=TEXT,
    job_type=TEXT,
    state=st.none() | st.sampled_from(JobState),
    resources_total=U32,
    resources_completed=U32,
    resources_failed=U32,
    manifest_key=TEXT,
    tenant=TEXT,
    last_error_code=TEXT,
    last_error_message=TEXT,
    log_offset=U64,
    timestamp_ms=U64,
    outcomes=st.lists(OUTCOMES, max_size=3).map(tuple),
    source=TEXT,
)
LOGS = st.builds(
    LogEvent,
    job_id=TEXT,
    resource_id=TEXT,
    level=st.sampled_from(LogLevel),
    message=TEXT,
    fields=PAIRS,
    timestamp_ms=U64,
    trace_id=TEXT,
)
LETTERS = st.builds(
    DeadLetter,
    task=TASKS,
    failure_code=TEXT,
    failure_message=TEXT,
    attempts=U32,
    failed_at_ms=U64,
    metadata=PAIRS,
)


@given(task=TASKS)
def test_task_round_trips(task: DownloadTask) -> None:
    assert codec.decode_task(codec.encode_task(task)) == task


@given(tasks=st.lists(TASKS, max_size=3), shared=TASKS)
def test_tasks_of_a_job_read_as_if_each_was_encoded_alone(
    tasks: list[DownloadTask], shared: DownloadTask
) -> None:
    common = {
        name: getattr(shared, name)
        for name in ("job_id", "job_type", "manifest_key", "attempt", "tenant", "trace_id")
    }
    parts = [
        codec.TaskPart(**{name: getattr(task, name) for name in codec.TaskPart.__struct_fields__})
        for task in tasks
    ]

    encoded = codec.encode_tasks(DownloadTask(**common, resource_id="", url=""), parts)

    assert [codec.decode_task(each) for each in encoded] == [
        replace(task, **common) for task in tasks
    ]


@given(task=TASKS)
def test_task_round_trips_as_json(task: DownloadTask) -> None:
    assert codec.task_from_json(codec.task_to_json(task)) == task


@given(event=STATUSES)
def test_status_round_trips(event: StatusEvent) -> None:
    assert codec.decode_status(codec.encode_status(event)) == event


@given(event=LOGS)
def test_log_round_trips(event: LogEvent) -> None:
    assert codec.decode_log(codec.encode_log(event)) == event


@given(letter=LETTERS)
def test_dead_letter_round_trips(letter: DeadLetter) -> None:
    assert codec.decode_dead_letter(codec.encode_dead_letter(letter)) == letter


Decode = Callable[[bytes], Any]
CASES = [
    pytest.param(codec.encode_task, codec.decode_task, make_task(), "DownloadTask", id="task"),
    pytest.param(codec.encode_status, codec.decode_status, make_status(), "JobStatus", id="status"),
    pytest.param(codec.encode_log, codec.decode_log, make_log(), "JobLog", id="log"),
    pytest.param(
        codec.encode_dead_letter,
        codec.decode_dead_letter,
        make_dead_letter(),
        "DeadLetterTask",
        id="dead-letter",
    ),
]
#: Field 200, length-delimited: what a later version might send.
UNKNOWN_FIELD = b"\xc2\x0c\x05later"


@pytest.mark.parametrize(("encode", "decode", "value", "name"), CASES)
def test_unknown_fields_are_ignored(
    encode: Callable[[Any], bytes], decode: Decode, value: Any, name: str
) -> None:
    del name
    assert decode(encode(value) + UNKNOWN_FIELD) == value


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"\xff\xff\xff", id="garbage"),
        pytest.param(b"\x0a\x7fshort", id="truncated"),
        pytest.param(b"\x0a\x02\xff\xfe", id="text-is-not-utf-8"),
        pytest.param(b"not protobuf at all", id="plain-text"),
    ],
)
@pytest.mark.parametrize(("encode", "decode", "value", "name"), CASES)
def test_undecodable_bytes_are_refused_by_message_name(
    encode: Any, decode: Decode, value: Any, name: str, payload: bytes
) -> None:
    del encode, value
    with pytest.raises(codec.UndecodableError, match=f"not a {name}") as caught:
        decode(payload)
    assert caught.value.failure.code is FailureCode.SYSTEM_DECODE_ERROR


@given(payload=st.binary(max_size=40))
@pytest.mark.parametrize(
    "decode",
    [codec.decode_task, codec.decode_status, codec.decode_log, codec.decode_dead_letter],
    ids=["task", "status", "log", "dead-letter"],
)
def test_any_bytes_are_read_or_refused(decode: Decode, payload: bytes) -> None:
    try:
        decode(payload)
    except codec.UndecodableError:
        return


def test_empty_payload_is_an_empty_task() -> None:
    """Proto3 has no required fields: the worker's own check refuses such a task."""
    task = codec.decode_task(b"")
    assert task == DownloadTask(job_id="", job_type="", resource_id="", url="", attempt=0)


def test_header_names_are_lower_case_on_the_wire_and_when_read() -> None:
    sent = codec.encode_task(make_task(headers=(("X-Mixed", "Value"), ("accept", "a"))))
    wire = pb.DownloadTask.FromString(sent)
    assert [header.name for header in wire.headers] == ["x-mixed", "accept"]

    wire.headers[0].name = "FROM-ELSEWHERE"
    assert codec.decode_task(wire.SerializeToString()).headers[0] == ("from-elsewhere", "Value")


@pytest.mark.parametrize(
    ("state", "number"),
    [
        (None, 0),
        (JobState.QUEUED, 1),
        (JobState.IN_PROGRESS, 2),
        (JobState.PARTIAL, 3),
        (JobState.COMPLETED, 4),
        (JobState.FAILED, 5),
    ],
)
def test_state_has_its_number(state: JobState | None, number: int) -> None:
    sent = pb.JobStatus.FromString(codec.encode_status(make_status(state=state)))
    assert sent.state == number


@pytest.mark.parametrize("level", LogLevel)
def test_level_has_its_number(level: LogLevel) -> None:
    assert pb.JobLog.FromString(codec.encode_log(make_log(level=level))).level == level.value


def test_values_of_a_later_version_are_read_cautiously() -> None:
    status = codec.decode_status(b"\x18\x4d")  # state = 77
    log = codec.decode_log(b"\x18\x4d")  # level = 77
    outcome = codec.decode_status(b"\x6a\x02\x10\x4d").outcomes[0]  # outcomes[0].state = 77

    assert status.state is None
    assert log.level is LogLevel.INFO
    assert outcome.state is JobState.FAILED


@pytest.mark.parametrize("given_field", ["dlq_partition", "dlq_offset"])
def test_half_a_pointer_is_none(given_field: str) -> None:
    event = make_status(outcomes=(make_outcome(dlq=Pointer(partition=1, offset=2)),))
    wire = pb.JobStatus.FromString(codec.encode_status(event))
    wire.outcomes[0].ClearField(given_field)
    assert codec.decode_status(wire.SerializeToString()).outcomes[0].dlq is None


def test_pointer_to_the_very_first_dead_letter_is_kept() -> None:
    event = make_status(outcomes=(make_outcome(dlq=Pointer(partition=0, offset=0)),))
    assert codec.decode_status(codec.encode_status(event)) == event


def test_empty_hint_is_not_an_absent_one() -> None:
    task = make_task(proxy_hint=ProxyHint(), storage_hint=StorageHint())
    read = codec.decode_task(codec.encode_task(task))
    assert (read.proxy_hint, read.storage_hint) == (ProxyHint(), StorageHint())


def test_json_form_is_the_standard_mapping_with_the_names_of_the_contract() -> None:
    task = make_task(
        headers=(("accept", "*/*"),),
        proxy_hint=ProxyHint(primary_pool="eu", fallbacks=("global",)),
        storage_hint=StorageHint(bucket="b", key_prefix="p", metadata={"k": "v"}, key="f"),
        tags={"content_type": "image/png"},
        mime_hint="image/png",
        checksum_hint="sha256:00",
        extra=b'{"a":1}',
        manifest_key="s3://b/k",
    )
    assert json.loads(codec.task_to_json(task)) == {
        "job_id": task.job_id,
        "job_type": "default",
        "resource_id": "r1",
        "url": "http://origin.test/r1",
        "headers": [{"name": "accept", "value": "*/*"}],
        "proxy_hint": {"primary_pool": "eu", "fallbacks": ["global"]},
        "storage_hint": {"bucket": "b", "key_prefix": "p", "metadata": {"k": "v"}, "key": "f"},
        "attributes": {
            "tags": {"content_type": "image/png"},
            "checksum_hint": "sha256:00",
            "mime_hint": "image/png",
            "extra": "eyJhIjoxfQ==",
        },
        "manifest_key": "s3://b/k",
        "attempt": 1,
        "tenant": "acme",
        "trace_id": task.trace_id,
    }


@pytest.mark.parametrize(
    "text", ['{"jobId": "j", "resourceId": "r"}', '{"job_id": "j", "resource_id": "r"}']
)
def test_json_is_read_in_either_spelling(text: str) -> None:
    task = codec.task_from_json(text)
    assert (task.job_id, task.resource_id) == ("j", "r")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("{", "", id="no-json"),
        pytest.param("[]", "object", id="array"),
        pytest.param("null", "object", id="null"),
        pytest.param('{"proxy_hint": ' + '{"a":' * 10_000, "", id="nested-without-end"),
        pytest.param('{"job_idd": "j"}', "job_idd", id="misspelt-field"),
        pytest.param('{"attempt": "x"}', "attempt", id="wrong-type"),
    ],
)
def test_bad_json_is_refused_and_the_fault_named(text: str, named: str) -> None:
    with pytest.raises(codec.UndecodableError, match="JSON form of a DownloadTask") as caught:
        codec.task_from_json(text)
    assert named in caught.value.failure.message
