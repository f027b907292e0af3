"""Servers for clients of the API: the real application over fakes, and one with a script."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from fetchbox.api.app import create_app
from fetchbox.api.server import serve
from fetchbox.ledger.port import JobFilter
from fetchbox.model.job import Job, JobState, Origin, Pointer
from tests.fakes.api import JOB_ID, FakeDeadLetters, FakeIntake, make_options, make_services
from tests.fakes.broker import FakeBroker
from tests.fakes.log import FakeLog

T = TypeVar("T")

_JOB = Job(
    job_id=JOB_ID,
    job_type="default",
    tenant="acme",
    state=JobState.IN_PROGRESS,
    created_at_ms=1_755_595_800_000,
    updated_at_ms=1_755_595_801_250,
    resource_total=3,
    resource_completed=1,
    resource_failed=0,
    manifest_key=f"s3://b/manifests/default/{JOB_ID}/metadata.json",
    log_cursor=Pointer(partition=2, offset=0),
    log_last_offset=0,
    last_error=None,
    dlq=None,
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    origin=Origin.API,
    published_at_ms=1_755_595_800_001,
)


def make_job(**changes: Any) -> Job:
    """Make a job that is under way; name what shall differ."""
    return replace(_JOB, **changes)


@dataclass
class StagedLedger:
    """Levers: `stages` are what `get` returns in turn, the last one for good; `jobs`, `rows`."""

    stages: list[Job | None] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    rows: list[Mapping[str, object]] = field(default_factory=list)
    asked: list[JobFilter] = field(default_factory=list)

    def forget(self) -> None:
        self.stages, self.jobs, self.rows, self.asked = [], [], [], []

    async def get(self, _job_id: str) -> Job | None:
        if not self.stages:
            return None
        return self.stages.pop(0) if len(self.stages) > 1 else self.stages[0]

    async def list_jobs(
        self, wanted: JobFilter, *, limit: int, before: str | None
    ) -> Sequence[Job]:
        self.asked.append(wanted)
        return [job for job in self.jobs if before is None or job.job_id < before][:limit]

    async def list_failures(self, limit: int) -> Sequence[Job]:
        return self.jobs[:limit]

    async def export(self) -> AsyncIterator[Mapping[str, object]]:
        for row in self.rows:
            yield row


@dataclass
class ServedApi:
    """The application on a free port, and what stands behind it."""

    ledger: StagedLedger = field(default_factory=StagedLedger)
    broker: FakeBroker = field(default_factory=FakeBroker)
    intake: FakeIntake = field(default_factory=FakeIntake)
    dead_letters: FakeDeadLetters = field(default_factory=FakeDeadLetters)
    pruned: int = 0
    url: str = ""

    def forget(self) -> None:
        """Be as new, without the cost of a new application."""
        self.ledger.forget()
        self.intake.forget()
        self.broker.log = FakeLog()
        self.dead_letters.entries.clear()
        self.dead_letters.asked.clear()
        self.pruned = 0

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something where the server lives."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    @contextmanager
    def running(self, **options: Any) -> Iterator["ServedApi"]:
        """Serve until the context ends."""
        bound = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(bound, options)))
        thread.start()
        assert bound.wait(10)
        try:
            yield self
        finally:
            self.loop.call_soon_threadsafe(self._stop.set)
            thread.join(10)

    async def _serve(self, bound: threading.Event, options: Mapping[str, Any]) -> None:
        self.loop, self._stop, stopping = (
            asyncio.get_running_loop(),
            asyncio.Event(),
            asyncio.Event(),
        )
        services = make_services(
            self.ledger,  # type: ignore[arg-type]  # the part of it that the routes use
            intake=self.intake,
            broker=self.broker,
            dead_letters=self.dead_letters,
            prune=self._prune,
        )
        app = create_app(services, make_options(**options), stopping=stopping)

        def on_bound(host: str, port: int) -> None:
            self.url = f"http://{host}:{port}"
            bound.set()

        await serve(app, "127.0.0.1", 0, stop=self._stop, stopping=stopping, on_bound=on_bound)

    async def _prune(self) -> int:
        return self.pruned


@dataclass
class ScriptedServer:
    """Answers each connection with the next bytes of `script`, then closes it.

    For asserts: `requests`, each as it was received.
    """

    script: Sequence[bytes]
    requests: list[bytes] = field(default_factory=list)
    url: str = ""

    @contextmanager
    def running(self) -> Iterator["ScriptedServer"]:
        """Serve until the script is at its end or the context is."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            thread = threading.Thread(target=self._play, args=(listener,))
            thread.start()
            try:
                yield self
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join(10)

    def _play(self, listener: socket.socket) -> None:
        for answer in self.script:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                self.requests.append(_request_of(connection))
                connection.sendall(answer)


def _request_of(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    wanted = next(
        (
            int(line[15:])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < wanted:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def answer(status: str, body: bytes, media_type: str = "application/json") -> bytes:
    """Make a complete answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def broken_stream(body: bytes, media_type: str) -> bytes:
    """Make a chunked answer that breaks off after `body`."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"%x\r\n%b\r\n" % (len(body), body)


def ended_stream(body: bytes, media_type: str) -> bytes:
    """Make a chunked answer that is complete."""
    return broken_stream(body, media_type) + b"0\r\n\r\n"
