"""Who saw something of a test's jobs, and at which hop: the merged story of each job.

Pure: takes what was read and makes timelines. What was not readable is an `Unread`, and the hop it
would have told of counts as unobserved.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from fetchbox.wire import jobs_pb2 as pb
from runner.evidence import Unread
from runner.timeline import Hop, Sighting, Timeline, merge
from tests.common.context import SubmittedJob
from tests.common.faults import Fault
from tests.common.objects import Listed
from tests.common.topics import DLQ, STATUS, TASKS, Record

Json = dict[str, Any]
Stored = Mapping[tuple[str, str, str], Listed]

#: Lines of a service that are shown with these fields; the rest is in the log slice.
SHOWN_FIELDS: Final = (
    "method",
    "path",
    "status",
    "duration_ms",
    "code",
    "http_status",
    "bytes",
    "attempts",
)
CLAIMED: Final = "task.claimed"
SERVED: Final = "request served"
ACCEPTED_STATUS: Final = 202


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything that was read about one job."""

    job: SubmittedJob
    case: str
    logs: Mapping[str, Sequence[str]]
    messages: Mapping[str, Sequence[Record] | Unread]
    stored: Stored | Unread
    #: Journal entries of the servers that resources come from, and of those on the way.
    origins: Mapping[str, Sequence[Json] | Unread]
    proxies: Mapping[str, Sequence[Json] | Unread] = field(default_factory=dict)
    #: Offsets at which the workers' group resumes, by partition; None where nobody tells.
    committed: Mapping[int, int] | Unread | None = None
    faults: Sequence[Fault] = ()
    #: Whether workers say that they claim a task.
    tells_claims: bool = True
    now_ms: float = 0.0


def timeline_of(seen: Seen) -> Timeline:
    """Bring all witnesses together."""
    return Timeline(
        job_id=seen.job.job_id,
        sightings=merge(
            _of_logs(seen),
            _of_tasks(seen),
            _of_status(seen),
            _of_dead_letters(seen),
            _of_origins(seen),
            _of_proxies(seen),
            _of_bucket(seen),
            _of_group(seen),
            _of_faults(seen),
        ),
        resources=frozenset(seen.job.urls),
        failed=frozenset(_failed(seen)),
        unobserved=frozenset(_unobserved(seen)),
        exempt={Hop.REQUESTED: frozenset(_elsewhere(seen))},
    )


def _read(answer: Sequence[Any] | Unread | None) -> Sequence[Any]:
    return () if answer is None or isinstance(answer, Unread) else answer


# What services say.


def _of_logs(seen: Seen) -> Iterator[Sighting]:
    for service, line in ((name, line) for name, lines in seen.logs.items() for line in lines):
        event = _event(line)
        if event is None or _is_poll(event) or seen.job.job_id not in line:
            continue
        hop = _hop_of_line(event)
        # Served requests are told of at their end; a submission came before all that follows.
        took_ms = float(event.get("duration_ms", 0)) if hop is Hop.ACCEPTED else 0
        yield Sighting(
            at_ms=_epoch_ms(event["timestamp"]) - took_ms,
            source=service,
            text=_words(event),
            hop=hop,
            resource_id=str(event.get("resource_id") or ""),
        )


def _event(line: str) -> Json | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "timestamp" in event else None


def _is_poll(event: Json) -> bool:
    """Whether it is the test itself, looking at the job."""
    return event.get("message") == SERVED and event.get("method") == "GET"


def _hop_of_line(event: Json) -> Hop | None:
    message = event.get("message")
    if message == CLAIMED:
        return Hop.CLAIMED
    is_submission = message == SERVED and str(event.get("path")).rstrip("/").endswith("/jobs")
    return Hop.ACCEPTED if is_submission and event.get("status") == ACCEPTED_STATUS else None


def _words(event: Json) -> str:
    fields = (f"{name}={event[name]}" for name in SHOWN_FIELDS if name in event)
    level = event.get("level", "")
    prefix = "" if level in {"info", "debug"} else f"{level}: "
    return " ".join([f"{prefix}{event.get('message', '')}", *fields])


def _epoch_ms(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp() * 1000


# What the broker holds.


def _of_tasks(seen: Seen) -> Iterator[Sighting]:
    for record in _read(seen.messages.get(TASKS)):
        task = pb.DownloadTask.FromString(record.payload)
        yield Sighting(
            at_ms=record.at_ms,
            source=TASKS,
            text=f"{_place(record)}, attempt {task.attempt}, {task.url}",
            hop=Hop.PUBLISHED,
            resource_id=task.resource_id,
        )


def _of_status(seen: Seen) -> Iterator[Sighting]:
    for record in _read(seen.messages.get(STATUS)):
        status = pb.JobStatus.FromString(record.payload)
        state = pb.JobState.Name(status.state).removeprefix("JOB_STATE_")
        place = f"{_place(record)}, from {status.source}"
        if not status.outcomes:
            yield Sighting(at_ms=record.at_ms, source=STATUS, text=f"{state}, {place}")
        for outcome in status.outcomes:
            ended = pb.JobState.Name(outcome.state).removeprefix("JOB_STATE_")
            yield Sighting(
                at_ms=record.at_ms,
                source=STATUS,
                text=f"{ended} {outcome.failure_code} {place}".replace("  ", " "),
                hop=Hop.REPORTED,
                resource_id=outcome.resource_id,
            )


def _of_dead_letters(seen: Seen) -> Iterator[Sighting]:
    for record in _read(seen.messages.get(DLQ)):
        letter = pb.DeadLetterTask.FromString(record.payload)
        yield Sighting(
            at_ms=record.at_ms,
            source=DLQ,
            text=f"{letter.failure_code}: {letter.failure_message}, {_place(record)}",
            resource_id=letter.task.resource_id,
        )


def _of_group(seen: Seen) -> Iterator[Sighting]:
    """A resource is settled when the group resumes beyond all its tasks."""
    if not isinstance(seen.committed, Mapping):
        return
    last: dict[str, Record] = {}
    for record in _read(seen.messages.get(TASKS)):
        last[pb.DownloadTask.FromString(record.payload).resource_id] = record
    for resource_id, record in last.items():
        resume_at = seen.committed.get(record.partition, 0)
        is_settled = resume_at > record.offset
        yield Sighting(
            at_ms=seen.now_ms,
            source=TASKS,
            text=f"group workers resumes at {resume_at}, the task is at {record.offset}",
            hop=Hop.SETTLED if is_settled else None,
            resource_id=resource_id,
        )


def _place(record: Record) -> str:
    return f"partition {record.partition}, offset {record.offset}"


# What the outside saw.


def _of_origins(seen: Seen) -> Iterator[Sighting]:
    wanted = {_path(url): resource_id for resource_id, url in seen.job.urls.items()}
    for server, entries in seen.origins.items():
        for entry in _read(entries):
            target = _target(entry)
            if (resource_id := wanted.get(target)) is not None:
                yield Sighting(
                    at_ms=_arrival(entry),
                    source=server,
                    text=f"{entry['method']} {target}{_answered(entry)}",
                    hop=Hop.REQUESTED,
                    resource_id=resource_id,
                )


def _of_proxies(seen: Seen) -> Iterator[Sighting]:
    wanted = {_path(url): resource_id for resource_id, url in seen.job.urls.items()}
    for server, entries in seen.proxies.items():
        for entry in _read(entries):
            target = _target(entry)
            if (resource_id := wanted.get(target)) is not None:
                text = f"passes on {entry['method']} {target}{_answered(entry)}"
                yield Sighting(
                    at_ms=_arrival(entry), source=server, text=text, resource_id=resource_id
                )


def _target(entry: Json) -> str:
    """Return path and query, as WireMock (`url`) or a peer (`target`) has them."""
    return _path(str(entry.get("url") or entry.get("target") or ""))


def _arrival(entry: Json) -> float:
    return float(entry.get("loggedDate") or entry.get("at_ms") or 0)


def _answered(entry: Json) -> str:
    if "status" not in entry:
        return ""
    return f" -> {entry['status']}, {entry.get('sent', 0)} bytes, {entry.get('ended') or 'open'}"


def _path(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _of_bucket(seen: Seen) -> Iterator[Sighting]:
    """An object is there, or it is not, whatever the worker said; its line has the better time."""
    if isinstance(seen.stored, Unread):
        return
    told = {
        str(event.get("resource_id")): _epoch_ms(event["timestamp"])
        for lines in seen.logs.values()
        for event in map(_event, lines)
        if event and event.get("message") == "task.completed"
        if event.get("job_id") == seen.job.job_id
    }
    for (bucket, key, resource_id), listed in seen.stored.items():
        yield Sighting(
            at_ms=told.get(resource_id, listed.modified_ms),
            source="bucket",
            text=f"{bucket}/{key}, {listed.size_bytes} bytes",
            hop=Hop.STORED,
            resource_id=resource_id,
        )


def _of_faults(seen: Seen) -> Iterator[Sighting]:
    for fault in seen.faults:
        text = f"on purpose: {fault.service} {fault.what}"
        yield Sighting(at_ms=fault.at_ms, source="test", text=text)


# What follows from it.


def _failed(seen: Seen) -> set[str]:
    """Return the resources whose last outcome is a failure."""
    last: dict[str, int] = {}
    for record in _read(seen.messages.get(STATUS)):
        for outcome in pb.JobStatus.FromString(record.payload).outcomes:
            last[outcome.resource_id] = outcome.state
    return {each for each, state in last.items() if state == pb.JOB_STATE_FAILED}


def _unobserved(seen: Seen) -> Iterator[Hop]:
    """Yield the hops that nobody could have seen."""
    if "api" not in seen.logs or not seen.job.manifest_key:
        yield Hop.ACCEPTED
    if isinstance(seen.messages.get(TASKS), Unread):
        yield Hop.PUBLISHED
    if not seen.tells_claims:
        yield Hop.CLAIMED
    if any(isinstance(entries, Unread) for entries in seen.origins.values()):
        yield Hop.REQUESTED
    if isinstance(seen.stored, Unread):
        yield Hop.STORED
    if isinstance(seen.messages.get(STATUS), Unread):
        yield Hop.REPORTED
    if not isinstance(seen.committed, Mapping) or isinstance(seen.messages.get(TASKS), Unread):
        yield Hop.SETTLED


def _elsewhere(seen: Seen) -> Iterator[str]:
    """Yield the resources that come from no server of this stack."""
    own = f"/c/{seen.case}/"
    yield from (each for each, url in seen.job.urls.items() if own not in urlsplit(url).path)
