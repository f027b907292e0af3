"""TestContext: one test's view of the stack. It owns a tenant, URL paths, stubs and jobs.

Everything it makes carries its `case`, and is found and removed by it; nothing is reset globally.
"""

import gzip
import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import requests

from mocks.bodies import body_of
from runner.waiting import WaitFailedError, wait_until
from tests.common.events import Event, parse_events
from tests.common.logs import LogMark
from tests.common.objects import Fetched, fetch_object
from tests.common.stack import Stack
from tests.common.topics import Topics
from tests.common.wiremock import Reply, Seen, WireMock

Json = dict[str, Any]

TERMINAL: Final = frozenset({"completed", "failed"})
DEFAULT_BUCKET: Final = "fetchbox-default"
TIMEOUT_S: Final = 15.0
#: Fields of a log event that say nothing new in a story.
KNOWN: Final = frozenset({"job_type", "tenant", "url"})
#: How much of a story a failure shows.
SHOWN: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedJob:
    """A job that was accepted."""

    job_id: str
    job_type: str
    manifest_key: str
    resource_count: int
    #: id of a resource to its URL.
    urls: Mapping[str, str]

    def key(self, resource_id: str) -> str:
        """Return the object key of a resource whose job type has no hints."""
        return f"resources/{self.job_type}/{self.job_id}/{resource_id}"


@dataclass(kw_only=True)
class TestContext:
    """One test."""

    __test__ = False

    stack: Stack
    case: str
    jobs: list[SubmittedJob] = field(default_factory=list)
    #: URL to the body that its last good answer has; URLs that are not here are not compared.
    served: dict[str, bytes] = field(default_factory=dict)
    #: Error lines in the service's log that the test provokes: regular expressions.
    expected_errors: list[str] = field(default_factory=list)
    #: Requests of this test that no stub matches are meant to happen.
    may_miss_stubs: bool = False
    mark: LogMark = field(init=False)

    def __post_init__(self) -> None:
        """Remember where the logs end."""
        self.mark = self.stack.logs.mark()

    # Addresses and clients, as the specification names them.

    @property
    def api_addr(self) -> str:
        """Base URL of the ingest API."""
        return self.stack.addresses.api

    @property
    def operator_addr(self) -> str:
        """Base URL of the operator API."""
        return self.stack.addresses.operator

    @property
    def iggy_client(self) -> Topics:
        """The broker; on a stack without Iggy, the SQLite broker in its place."""
        return self.stack.topics

    @property
    def minio_client(self) -> Any:
        """The boto3 client."""
        return self.stack.minio_client

    @property
    def tenant(self) -> str:
        """The tenant of every job of this test."""
        return self.case

    # What the upstream serves.

    def path(self, name: str) -> str:
        """Return a URL path of this test."""
        return f"/c/{self.case}/{name}"

    def serve(
        self,
        name: str,
        body: bytes | None = None,
        *,
        server: WireMock | None = None,
        content_type: str = "application/octet-stream",
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """Serve `body` (by default one that names itself) and expect it in storage."""
        content = f"{self.case}/{name}".encode() if body is None else body
        reply = Reply(body=content, headers={"Content-Type": content_type}, more=more or {})
        url = (server or self.stack.upstream).stub(self.case, self.path(name), reply)
        self.served[url] = content
        return url

    def answer(self, name: str, *replies: Reply, server: WireMock | None = None) -> str:
        """Give these answers, one after the other; the last one for good."""
        where = server or self.stack.upstream
        if len(replies) == 1:
            url = where.stub(self.case, self.path(name), replies[0])
        else:
            url = where.script(self.case, self.path(name), replies)
        self.served[url] = replies[-1].body
        return url

    def requests_for(self, name: str, server: WireMock | None = None) -> Sequence[Seen]:
        """Return what an upstream saw of this test, below `name`."""
        path = self.path(name) if name else f"/c/{self.case}"
        return (server or self.stack.upstream).seen(path)

    def peer(self, behaviour: str, *, listener: str = "origin", **options: str | int) -> str:
        """Return the URL of a misbehaviour; nothing is expected in storage."""
        return self.stack.peers.url(listener, self.case, behaviour, **options)

    def peer_bytes(
        self, size: int, *, listener: str = "origin", verb: str = "bytes", **options: str | int
    ) -> str:
        """Return the URL of a body of `size` bytes and expect those in storage."""
        seed = str(options.setdefault("seed", f"{self.case}-{len(self.served)}"))
        url = self.peer(f"{verb}/{size}", listener=listener, **options)
        self.served[url] = body_of(seed, size)
        return url

    # Submitting and waiting.

    def post(
        self, body: bytes, *, job_type: str | None = "it", headers: Mapping[str, str | None] = {}
    ) -> requests.Response:
        """POST /jobs; a header given as None is not sent."""
        full = {
            "Content-Type": "application/json",
            "X-Fetchbox-Job-Type": job_type,
            "X-Fetchbox-Tenant": self.tenant,
            **headers,
        }
        return self.stack.http.post(
            f"{self.api_addr}/jobs", data=body, headers=full, timeout=TIMEOUT_S
        )

    def submit_manifest(
        self,
        manifest_json: Mapping[str, Any],
        *,
        job_type: str = "it",
        headers: Mapping[str, str | None] = {},
        compress: bool = False,
    ) -> SubmittedJob:
        """Submit a manifest and insist on 202."""
        body = json.dumps(manifest_json).encode()
        if compress:
            body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
        answer = self.post(body, job_type=job_type, headers=headers)
        assert answer.status_code == HTTPStatus.ACCEPTED, (
            f"POST /jobs answered {answer.status_code}: {answer.text[:1000]}"
        )
        accepted = answer.json()
        job = SubmittedJob(
            job_id=accepted["job_id"],
            job_type=job_type,
            manifest_key=accepted["manifest_key"],
            resource_count=accepted["resource_count"],
            urls={entry["id"]: entry["url"] for entry in manifest_json["resources"]},
        )
        self.adopt(job)
        return job

    def adopt(self, job: SubmittedJob) -> None:
        """Hold a job that came another way to the same account as a submitted one."""
        if all(known.job_id != job.job_id for known in self.jobs):
            self.jobs.append(job)

    def run(
        self, urls: Mapping[str, str], *, job_type: str = "it", status: str = "completed"
    ) -> tuple[SubmittedJob, Json]:
        """Submit a plain manifest of id to URL, wait, and return the job and its snapshot."""
        document = {
            "manifest_version": "v1",
            "metadata": {"case": self.case},
            "resources": [{"id": identity, "url": url} for identity, url in urls.items()],
        }
        job = self.submit_manifest(document, job_type=job_type)
        return job, self.wait_for_job(job.job_id, status)

    def wait_for_job(
        self,
        job_id: str,
        status: str = "completed",
        within_s: float = 30,
        *,
        after: str | None = None,
    ) -> Json:
        """Wait for a status; a failure tells what was seen everywhere.

        Another end than the one waited for ends the wait, but for `after`, the end a replay is
        about to change.
        """
        last: Json = {"status": "never seen"}

        def look() -> Json:
            nonlocal last
            last = self.snapshot(job_id)
            return last

        def has_ended_otherwise() -> str | None:
            is_over = last["status"] in TERMINAL - {status, after}
            return f"it has ended as {last['status']}" if is_over else None

        try:
            return wait_until(
                look,
                within_s,
                f"job {job_id} to be {status}",
                until=lambda shown: shown["status"] == status,
                hopeless=has_ended_otherwise,
            )
        except WaitFailedError as error:
            raise WaitFailedError(f"{error}\n{self.story(job_id)}") from None

    # Looking.

    def get(self, path: str, **query: str | int) -> requests.Response:
        """GET something under /operators."""
        return self.stack.http.get(
            f"{self.operator_addr}/operators{path}",
            params=query,
            headers=self.operator_headers(),
            timeout=TIMEOUT_S,
        )

    def operator_headers(self) -> dict[str, str]:
        """Return the token header, where the stack has a token."""
        token = self.stack.addresses.operator_token
        return {"X-Fetchbox-Operator-Token": token} if token else {}

    def snapshot(self, job_id: str) -> Json:
        """Return a job as operators see it."""
        answer = self.get(f"/jobs/{job_id}")
        assert answer.ok, f"snapshot of {job_id}: {answer.status_code} {answer.text[:300]}"
        shown: Json = answer.json()
        return shown

    def log_events(
        self, job_id: str, headers: Mapping[str, str] = {}, **query: str | int
    ) -> list[Event]:
        """Read the log stream of a job to its end."""
        with self.stack.http.get(
            f"{self.operator_addr}/operators/jobs/{job_id}/logs",
            params=query,
            headers={**self.operator_headers(), **headers},
            stream=True,
            timeout=TIMEOUT_S,
        ) as answer:
            assert answer.ok, f"logs of {job_id}: {answer.status_code} {answer.text[:300]}"
            return list(parse_events(answer.iter_lines(decode_unicode=True)))

    def log_lines(self, job_id: str) -> list[Json]:
        """Return the data of the log events of a job."""
        return [event.data for event in self.log_events(job_id) if event.name == "log"]

    def completions(self, job_id: str) -> list[Json]:
        """Return the log events of stored resources; retries on a busy machine are left out."""
        lines = self.log_lines(job_id)
        return [line for line in lines if line["fields"]["event"] == "task.completed"]

    def object(self, key: str, bucket: str = DEFAULT_BUCKET) -> Fetched:
        """Read an object that has to be there."""
        found = fetch_object(self.minio_client, bucket, key)
        assert found is not None, f"no object {key} in bucket {bucket}"
        return found

    def service_log(self, needle: str, kind: str = "*") -> list[Json]:
        """Return the service's own log events since the test began that contain `needle`."""
        return self.stack.logs.events(self.mark, [needle], kind)

    def story(self, job_id: str) -> str:
        """Say what is known of a job: snapshot, last logs, what the upstreams saw."""
        parts: dict[str, Callable[[], list[str]]] = {
            "snapshot": lambda: [json.dumps(self.snapshot(job_id))],
            "last log events": lambda: [_log_line(line) for line in self.log_lines(job_id)],
            "service log": lambda: self._service_lines(job_id),
            "peers saw": lambda: _lines_of(self.stack.peers.traffic(self.case).seen),
        }
        for server in (self.stack.upstream, self.stack.hidden_upstream, self.stack.proxy):
            parts[f"{server.name} saw"] = partial(self._seen_lines, server)
        return "\n".join(f"--- {title}\n{_shown(look)}" for title, look in parts.items())

    def _service_lines(self, job_id: str) -> list[str]:
        """Leave out what the waiting itself caused."""
        lines = self.stack.logs.lines(self.mark, [job_id, self.case])
        return [line for line in lines if '"method":"GET"' not in line]

    def _seen_lines(self, server: WireMock) -> list[str]:
        return _lines_of(self.requests_for("", server))

    def clean(self) -> None:
        """Remove the stubs of this test and what the servers remember of it."""
        for server in (self.stack.upstream, self.stack.hidden_upstream, self.stack.proxy):
            server.remove(self.case)
        self.stack.peers.forget(self.case)


def new_case(test_name: str) -> str:
    """Make the id of one run of one test: readable, unique, fit for a URL and a key."""
    readable = re.sub(r"[^a-z0-9]+", "-", test_name.lower()).strip("-")
    return f"{readable[:48]}-{uuid.uuid4().hex[:8]}"


def _lines_of(seen: Sequence[Seen]) -> list[str]:
    return [f"{request.at_ms} {request.url}" for request in seen]


def _log_line(line: Json) -> str:
    fields = dict(line["fields"])
    event, shown = fields.pop("event", ""), {k: v for k, v in fields.items() if k not in KNOWN}
    at, level = line["timestamp_ms"], line["level"]
    return f"{at} {level} {event} {line['resource_id']}: {line['message']} {shown}"


def _shown(look: Callable[[], list[str]]) -> str:
    """Show the last lines, or why there are none; the failure must not be hidden by another."""
    try:
        lines = look()
    except (AssertionError, OSError) as error:
        return f"  not readable: {error}"
    dropped = len(lines) - SHOWN
    head = [f"  ... {dropped} before"] if dropped > 0 else []
    return "\n".join(head + [f"  {line.rstrip()[:600]}" for line in lines[-SHOWN:]]) or "  nothing"
