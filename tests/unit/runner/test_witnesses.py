"""Each witness of a job is taken for the hop it saw, and only for that."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from fetchbox.wire import jobs_pb2 as pb
from runner.evidence import Unread
from runner.timeline import Hop
from tests.common.context import SubmittedJob
from tests.common.objects import Listed
from tests.common.topics import DLQ, STATUS, TASKS, Record
from tests.common.witnesses import Seen, timeline_of

AT = "2026-11-25T00:00:01.000Z"
AT_MS = datetime.fromisoformat(AT).timestamp() * 1000
URL = "http://upstream:8080/c/case-1/small?x=1"
JOB = SubmittedJob(
    job_id="job-1", job_type="it", manifest_key="s3://m", resource_count=1, urls={"small": URL}
)


def line(message: str, **fields: Any) -> str:
    fixed = {"timestamp": AT, "level": "info", "message": message, "job_id": "job-1"}
    return json.dumps(fixed | fields)


def record(payload: Any, offset: int = 4) -> Record:
    return Record(partition=2, offset=offset, payload=payload.SerializeToString(), at_ms=AT_MS)


def status(state: pb.JobState) -> Record:
    outcome = pb.ResourceOutcome(resource_id="small", state=state)
    return record(pb.JobStatus(job_id="job-1", outcomes=[outcome], source="worker:w"))


TASK = record(pb.DownloadTask(job_id="job-1", resource_id="small", url=URL, attempt=1))
ASKED = {"method": "GET", "url": "/c/case-1/small?x=1", "loggedDate": AT_MS}
REFUSED = line("request served", method="POST", path="/jobs", status=503)
WHOLE = Seen(
    job=JOB,
    case="case-1",
    logs={
        "api": [line("request served", method="POST", path="/jobs", status=202, duration_ms=9)],
        "worker-1": [
            line("task.claimed", resource_id="small"),
            line("task.completed", resource_id="small"),
        ],
    },
    messages={TASKS: [TASK], STATUS: [status(pb.JOB_STATE_COMPLETED)], DLQ: []},
    stored={("bucket", "key", "small"): Listed(size_bytes=1, etag="e", modified_ms=AT_MS)},
    origins={
        "upstream": [ASKED],
        "peers": [],
    },
    committed={2: 5},
    now_ms=AT_MS,
)


def test_all_witnesses_together_show_every_hop() -> None:
    story = timeline_of(WHOLE)
    assert story.unobserved == frozenset()
    assert {each.hop for each in story.sightings if each.hop} == set(Hop)


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "refused submission": (
        {"logs": {**WHOLE.logs, "api": [REFUSED]}},
        "accepted: never seen",
    ),
    "no task": ({"messages": {**WHOLE.messages, TASKS: []}}, "published: never seen"),
    "silent worker": (
        {"logs": {**WHOLE.logs, "worker-1": []}},
        "claimed: never seen for small of 1",
    ),
    "another path": (
        {"origins": {"upstream": [{**ASKED, "url": "/c/case-1/other"}]}},
        "requested: never seen for small of 1",
    ),
    "told, but not stored": ({"stored": {}}, "stored: never seen for small of 1"),
    "no outcome": (
        {"messages": {**WHOLE.messages, STATUS: []}},
        "reported: never seen for small of 1",
    ),
    "offset behind": ({"committed": {2: 4}}, "settled: never seen for small of 1"),
}


@pytest.mark.parametrize(("changes", "divergence"), BROKEN.values(), ids=BROKEN.keys())
def test_what_a_witness_did_not_see_is_the_divergence(
    changes: dict[str, Any], divergence: str
) -> None:
    assert timeline_of(replace(WHOLE, **changes)).divergence == divergence


UNREAD: dict[str, tuple[dict[str, Any], Hop]] = {
    "no API log": ({"logs": {"worker-1": WHOLE.logs["worker-1"]}}, Hop.ACCEPTED),
    "direct job": ({"job": replace(JOB, manifest_key="")}, Hop.ACCEPTED),
    "quiet workers": ({"tells_claims": False}, Hop.CLAIMED),
    "journal away": ({"origins": {"upstream": Unread("refused")}}, Hop.REQUESTED),
    "bucket away": ({"stored": Unread("refused")}, Hop.STORED),
    "broker tells no offsets": ({"committed": None}, Hop.SETTLED),
    "status not readable": (
        {"messages": {**WHOLE.messages, STATUS: Unread("refused")}},
        Hop.REPORTED,
    ),
}


@pytest.mark.parametrize(("changes", "hop"), UNREAD.values(), ids=UNREAD.keys())
def test_what_nobody_could_see_is_no_divergence(changes: dict[str, Any], hop: Hop) -> None:
    story = timeline_of(replace(WHOLE, **changes))
    assert story.unobserved == {hop}
    assert story.divergence is None


def test_failed_resource_is_missed_neither_at_its_origin_nor_in_the_bucket() -> None:
    messages = {**WHOLE.messages, STATUS: [status(pb.JOB_STATE_FAILED)]}
    story = timeline_of(replace(WHOLE, messages=messages, stored={}, origins={"upstream": []}))
    assert story.failed == {"small"}
    assert story.divergence is None


def test_resource_of_a_foreign_server_need_not_be_requested_here() -> None:
    job = replace(JOB, urls={"small": "http://10.0.0.1/elsewhere"})
    assert timeline_of(replace(WHOLE, job=job, origins={"upstream": []})).divergence is None


def test_polls_of_the_test_are_left_out() -> None:
    poll = line("request served", method="GET", path="/operators/jobs/job-1", status=200)
    story = timeline_of(replace(WHOLE, logs={"api": [poll, "no JSON"], "worker-1": []}))
    assert {each.source for each in story.sightings} == {TASKS, STATUS, "upstream", "bucket"}
