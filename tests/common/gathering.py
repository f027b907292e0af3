"""Gathers the evidence of a red test, from everything its context can reach."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from google.protobuf.json_format import MessageToDict

from fetchbox.wire import jobs_pb2 as pb
from runner import evidence
from runner.blame import Facts, ServiceFact
from runner.evidence import Evidence, Unread
from runner.host import Host, look_at_host
from runner.services import look_at_services
from runner.timeline import Timeline
from runner.waiting import GAVE_UP, Endpoint, WaitFailedError
from tests.common.addresses import Addresses
from tests.common.conservation import error_lines, stored_objects
from tests.common.context import SubmittedJob, TestContext
from tests.common.faults import faults_since
from tests.common.topics import DLQ, LOGS, STATUS, TASKS, Record
from tests.common.witnesses import CLAIMED, Seen, timeline_of

#: Jobs of one test that are looked at; the first ones.
MOST_JOBS: Final = 5
#: Size up to which a slice of a log is kept, from its end.
SLICE_CHARS: Final = 2_000_000
WORKERS: Final = "workers"
TOPICS: Final[Mapping[str, Any]] = {
    TASKS: pb.DownloadTask,
    STATUS: pb.JobStatus,
    LOGS: pb.JobLog,
    DLQ: pb.DeadLetterTask,
}
Answers = Mapping[str, Any]
_NOTHING: Final[Answers] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What pytest knows of a failure."""

    test: str
    phase: str
    error: BaseException
    began_ms: float
    failed_ms: float

    @property
    def is_wait(self) -> bool:
        """Whether something did not come about in time; what ended otherwise was in time."""
        text = str(self.error)
        is_late = isinstance(self.error, WaitFailedError) and GAVE_UP not in text
        return is_late or "Timeout >" in text


def gather(failure: Failure, context: TestContext | None) -> Evidence:
    """Look everywhere, write it down under the artifacts, and return the verdict."""
    artifacts = artifacts_of(context)
    artifacts.mkdir(parents=True, exist_ok=True)
    host = look_at_host(os.environ, artifacts)
    if context is None:
        found = Evidence(**_known(failure), facts=_facts(failure, host), host=host.shown())
        evidence.write(found, artifacts, {})
        return found
    jobs = context.jobs[:MOST_JOBS]
    answers = evidence.look_at_all(looks(context, jobs, failure.began_ms))
    timelines = _timelines(context, jobs, answers, failure)
    found = Evidence(
        **_known(failure),
        facts=_facts(failure, host, answers, timelines),
        host=host.shown(),
        jobs=timelines,
        gaps=[f"{name}: {it.reason}" for name, it in answers.items() if isinstance(it, Unread)],
    )
    evidence.write(found, artifacts, _files(answers))
    return found


def artifacts_of(context: TestContext | None) -> Path:
    """Return the folder of the results."""
    if context is not None:
        return context.stack.addresses.artifacts
    return Path(os.environ.get("FETCHBOX_TEST_ARTIFACTS") or "artifacts")


def _known(failure: Failure) -> dict[str, Any]:
    return {
        "test": failure.test,
        "phase": failure.phase,
        "began_ms": failure.began_ms,
        "failed_ms": failure.failed_ms,
    }


# Looking.


def looks(
    context: TestContext, jobs: Sequence[SubmittedJob], began_ms: float
) -> dict[str, Callable[[], Any]]:
    """Return every look there is, by the name of its answer."""
    stack, case = context.stack, context.case
    needles = [case, *(job.job_id for job in context.jobs)]
    found: dict[str, Callable[[], Any]] = {
        "services": partial(_services, stack.addresses, began_ms),
        "logs": partial(stack.logs.by_service, context.mark, needles),
        "span": partial(stack.logs.by_service, context.mark, ()),
        "claims": partial(stack.logs.has_ever, "worker*", CLAIMED),
        "errors": partial(error_lines, context),
        "committed": partial(stack.topics.committed, TASKS, WORKERS),
        "upstream": partial(stack.upstream.journal, case),
        "hidden-upstream": partial(stack.hidden_upstream.journal, case),
        "proxy": partial(stack.proxy.journal, case),
        "peers": partial(stack.peers.journal, case),
        "near misses": partial(_near_misses, context),
    }
    for job in jobs:
        found[f"snapshot {job.job_id}"] = partial(context.snapshot, job.job_id)
        found[f"bucket {job.job_id}"] = partial(stored_objects, context, job)
        for topic in TOPICS:
            found[f"{topic} {job.job_id}"] = partial(stack.topics.read, topic, job.job_id)
    return found


def _near_misses(context: TestContext) -> list[str]:
    if context.may_miss_stubs:
        return []
    servers = (context.stack.upstream, context.stack.hidden_upstream)
    return [miss for server in servers for miss in server.near_misses(context.case)]


def _services(addresses: Addresses, began_ms: float) -> list[ServiceFact]:
    backing = [
        Endpoint(name="upstream", url=f"{addresses.upstream}/__admin/health"),
        Endpoint(name="hidden-upstream", url=f"{addresses.hidden_upstream}/__admin/health"),
        Endpoint(name="proxy", url=f"{addresses.proxy}/__admin/health"),
        Endpoint(name="peers", url=f"{addresses.peers}/healthz"),
        Endpoint(name="s3", url=f"{addresses.s3}/", is_ready=lambda _: True),
    ]
    if addresses.is_iggy:
        broker = urlsplit(addresses.broker)
        backing.append(Endpoint(name="iggy", url=f"tcp://{broker.hostname}:{broker.port}"))
    workers = enumerate(addresses.worker_supervisors, 1)
    supervisors = {"api": addresses.api_supervisor} | {f"worker-{n}": url for n, url in workers}
    by_test = {fault.service for fault in faults_since(began_ms)}
    return look_at_services(backing, supervisors, by_test)


# Judging.


def _facts(
    failure: Failure, host: Host, answers: Answers = _NOTHING, timelines: Sequence[Timeline] = ()
) -> Facts:
    return Facts(
        error_type=type(failure.error).__name__,
        error_text=str(failure.error),
        is_wait=failure.is_wait,
        services=_list(answers, "services"),
        cpu_pressure=host.cpu_pressure,
        memory_free_bytes=host.memory_free_bytes,
        disk_free_bytes=host.disk_free_bytes,
        near_misses=_list(answers, "near misses"),
        divergence=next((each.divergence for each in timelines if each.divergence), None),
        error_lines=_list(answers, "errors"),
    )


def _list(answers: Answers, name: str) -> tuple[Any, ...]:
    answer = answers.get(name, ())
    return () if isinstance(answer, Unread) else tuple(answer)


def _timelines(
    context: TestContext, jobs: Sequence[SubmittedJob], answers: Answers, failure: Failure
) -> list[Timeline]:
    logs, peers = answers["logs"], answers["peers"]
    is_read = not isinstance(peers, Unread)
    return [
        timeline_of(
            Seen(
                job=job,
                case=context.case,
                logs={} if isinstance(logs, Unread) else logs,
                messages={topic: answers[f"{topic} {job.job_id}"] for topic in TOPICS},
                stored=answers[f"bucket {job.job_id}"],
                origins={
                    "upstream": answers["upstream"],
                    "hidden-upstream": answers["hidden-upstream"],
                    "peers": [e for e in peers if "origin" in e["role"]] if is_read else peers,
                },
                proxies={
                    "proxy": answers["proxy"],
                    "peers' proxy": [e for e in peers if "proxy" in e["role"]] if is_read else (),
                },
                committed=answers["committed"],
                faults=faults_since(failure.began_ms),
                tells_claims=answers["claims"] is True,
                now_ms=time.time() * 1000,
            )
        )
        for job in jobs
    ]


# Keeping.


def _files(answers: Answers) -> dict[str, Any]:
    """Return the content of the evidence files by name; what was not read is left out."""
    read = {name: it for name, it in answers.items() if not isinstance(it, Unread)}
    files: dict[str, Any] = {}
    for suffix, name in (("log", "logs"), ("span.log", "span")):
        for service, lines in read.get(name, {}).items():
            if lines:
                files[f"logs/{service}.{suffix}"] = "\n".join(lines)[-SLICE_CHARS:] + "\n"
    journals = ("upstream", "hidden-upstream", "proxy", "peers")
    files |= {f"{name}.journal.json": read[name] for name in journals if read.get(name)}
    files["snapshot.json"] = _by_job(read, "snapshot", lambda shown: shown)
    files["bucket.json"] = _by_job(read, "bucket", _listing)
    files["broker.json"] = {
        topic: _by_job(read, topic, partial(_messages, kind)) for topic, kind in TOPICS.items()
    }
    return files


def _by_job(read: Answers, kind: str, show: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        name.partition(" ")[2]: show(answer)
        for name, answer in read.items()
        if name.partition(" ")[0] == kind and " " in name
    }


def _listing(stored: Mapping[tuple[str, str, str], Any]) -> list[dict[str, Any]]:
    return [
        {"bucket": bucket, "key": key, "size_bytes": it.size_bytes, "etag": it.etag}
        for (bucket, key, _), it in stored.items()
    ]


def _messages(kind: Any, records: Sequence[Record]) -> list[dict[str, Any]]:
    return [
        {
            "partition": record.partition,
            "offset": record.offset,
            "at_ms": record.at_ms,
            "message": MessageToDict(kind.FromString(record.payload)),
        }
        for record in records
    ]
