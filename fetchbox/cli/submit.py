"""`fetchbox submit`: hand in a manifest and, if wanted, wait for the job to end."""

import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from fetchbox.api.answers import AcceptedAnswer, JobAnswer
from fetchbox.cli.exits import Exit
from fetchbox.cli.http import ApiClient, ClientError, LostError, segment
from fetchbox.cli.options import DEFAULT_SERVER, AsJson, Server, Token, connected
from fetchbox.cli.progress import Display, Stand, display_on
from fetchbox.cli.render import err, show_json, show_note, show_text

#: Waits between looks at a job: quick at first, so that a small one is not waited for long.
FIRST_LOOK_S: Final = 0.1
SLOWEST_LOOK_S: Final = 1.0
#: A server that stays away for so long is given up.
PATIENCE_S: Final = 15.0

Manifest = Annotated[
    typer.FileBinaryRead, typer.Argument(metavar="FILE", help="The manifest; - reads stdin.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Time as the wait sees it; replaced in tests."""

    now: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep


@dataclass(slots=True, kw_only=True)
class JobWait:
    """Looks at a job until it is over."""

    api: ApiClient
    job_id: str
    timeout_s: float | None
    display: Display
    watch: Watch = Watch()

    def run(self) -> JobAnswer:
        """Return the finished job; raises ClientError when time is up or the server stays away."""
        began = seen = self.watch.now()
        look_s, first = FIRST_LOOK_S, None
        while True:
            try:
                job = self.api.get(f"/operators/jobs/{segment(self.job_id)}", JobAnswer)
            except LostError as error:
                self._endure(error, self.watch.now() - seen)
            else:
                seen = self.watch.now()
                first = _ended(job) if first is None else first
                self.display.show(_stand(job, first, seen - began))
                if job.status in {"completed", "failed"}:
                    return job
            self._check_time(self.watch.now() - began)
            self.watch.pause(look_s)
            look_s = min(look_s * 1.5, SLOWEST_LOOK_S)

    def _endure(self, error: LostError, away_s: float) -> None:
        if away_s >= PATIENCE_S:
            text = f"{error} (job {self.job_id} was accepted and goes on without this command)"
            raise ClientError(text, error.code) from error
        self.display.say(f"{error}; still trying")

    def _check_time(self, passed_s: float) -> None:
        if self.timeout_s is not None and passed_s >= self.timeout_s:
            text = (
                f"job {self.job_id} is not over after {self.timeout_s:g} s; it goes on: "
                f"see `fetchbox jobs show {self.job_id}`"
            )
            raise ClientError(text, Exit.REFUSED)


def submit(  # noqa: PLR0913 - a command's parameters are its options
    *,
    file: Manifest,
    job_type: Annotated[str, typer.Option(help="A configured job type.")] = "default",
    tenant: Annotated[str | None, typer.Option(help="Whose job it is.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Repeating a key returns the first job instead of a new one.")
    ] = None,
    compress: Annotated[bool, typer.Option("--gzip", help="Send the manifest gzipped.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the job to end.")] = False,
    timeout: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Longest wait.")
    ] = None,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Submit a manifest.

    Exit code 1: refused; with --wait also: the job failed, or is not over in time.
    """
    body, headers = _encoded(file.read(), compress=compress)
    headers |= {
        "X-Fetchbox-Job-Type": job_type,
        "X-Fetchbox-Tenant": tenant,
        "X-Fetchbox-Idempotency-Key": idempotency_key,
    }
    with connected(server, token) as api:
        accepted = api.post("/jobs", AcceptedAnswer, body, headers)
        if wait:
            _wait(api, accepted, timeout, as_json=as_json)
        elif as_json:
            show_json(accepted)
        else:
            show_text(f"job {accepted.job_id}: {accepted.resource_count} resources queued")
            show_note(f"see `fetchbox jobs show {accepted.job_id}`")


def _wait(
    api: ApiClient, accepted: AcceptedAnswer, timeout_s: float | None, *, as_json: bool
) -> None:
    job_id = accepted.job_id
    show_note(f"job {job_id}: {accepted.resource_count} resources queued")
    try:
        with display_on(err()) as display:
            job = JobWait(api=api, job_id=job_id, timeout_s=timeout_s, display=display).run()
    except KeyboardInterrupt:
        show_note(f"job {job_id} goes on: see `fetchbox jobs show {job_id}`")
        raise
    if as_json:
        show_json(job)
    else:
        show_text(f"job {job.job_id} {job.status}: {_summary(job)}")
    if job.status == "failed":
        raise typer.Exit(Exit.REFUSED)


def _encoded(body: bytes, *, compress: bool) -> tuple[bytes, dict[str, str | None]]:
    return (gzip.compress(body), {"Content-Encoding": "gzip"}) if compress else (body, {})


def _stand(job: JobAnswer, first: int, passed_s: float) -> Stand:
    rate = (_ended(job) - first) / passed_s if passed_s > 0 else 0.0
    return Stand(job=job, per_second=rate)


def _ended(job: JobAnswer) -> int:
    return job.resource_completed + job.resource_failed


def _summary(job: JobAnswer) -> str:
    text = f"{job.resource_completed} of {job.resource_total} resources stored"
    if job.resource_failed:
        text += f", {job.resource_failed} failed"
    if job.last_error is not None:
        text += f"; last error {job.last_error.code}: {job.last_error.message}"
    return text
