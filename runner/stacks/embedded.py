"""The stack as processes on loopback: real WireMock, an S3 server, peers, API and two workers.

No Docker; the broker is SQLite. Everything starts at once; what needs something waits for it.
"""

import json
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from runner.stacks import wiremock
from runner.stacks.layout import ACCESS_KEY, PEERS, SECRET_KEY, SERVICES, WORKERS, Layout
from runner.stacks.port import Place, Readiness, Running, StackError
from runner.stacks.processes import Processes, Started, last_lines
from runner.stacks.wiremock import WireMock
from runner.waiting import Endpoint, WaitFailedError, is_ok, wait_for

SUPERVISOR: Final = Path(__file__).parents[1] / "supervisor.py"
WITHIN_S: Final = 30.0
WIREMOCKS: Final = {
    "upstream": wiremock.SERVER,
    "hidden-upstream": wiremock.SERVER,
    "wiremock-proxy": wiremock.PROXY,
}
#: The one that records the class data of a Java for the next start.
RECORDING: Final = "hidden-upstream"
CONSEQUENCE: Final = "another part of the stack failed"
FOREIGN: Final = ("FETCHBOX", "AWS_", "S3_", "IGGY_")
#: Its log of every request would cost more than the requests.
MOTO: Final = (
    "import logging, sys; logging.getLogger('werkzeug').setLevel(logging.ERROR);"
    " from moto.server import main; main(sys.argv[1:])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedStack:
    """Needs Python and what requirements/dev.txt installs, nothing else."""

    place: Place
    environment: Mapping[str, str]
    name: str = "embedded"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """Bring it up, and take it away at the end; raises StackError."""
        shutil.rmtree(self.place.logs, ignore_errors=True)
        self.place.logs.mkdir(parents=True)
        scratch = Path(tempfile.mkdtemp(prefix="fetchbox-test-"))
        layout = Layout(place=self.place, scratch=scratch)
        service = find_service(self.environment)
        try:
            with Processes(scratch=scratch) as processes:
                start = _Start(
                    layout=layout,
                    processes=processes,
                    service=service,
                    inherited=_inherited(self.environment),
                )
                start.everything()
                pids = {each.name: each.process.pid for each in processes.started}
                yield Running(addresses=layout.addresses(), waterfall=start.waterfall, pids=pids)
            if processes.exit_codes.get(RECORDING) != -signal.SIGKILL:
                wiremock.keep_class_data(layout.place.cache, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without a developer's own settings of the service."""
    return {key: text for key, text in environment.items() if not key.startswith(FOREIGN)}


def find_service(environment: Mapping[str, str]) -> list[str]:
    """Return what is under test: FETCHBOX_COMMAND, or the `fetchbox` installed beside Python."""
    if command := environment.get("FETCHBOX_COMMAND"):
        return shlex.split(command)
    beside = Path(sys.executable).with_name("fetchbox")
    if not beside.exists():
        message = f"no {beside}: install the service (`make`), or name one in FETCHBOX_COMMAND"
        raise StackError(message)
    return [str(beside)]


@dataclass(kw_only=True)
class _Start:
    """One start of everything, and the times it took."""

    layout: Layout
    processes: Processes
    service: list[str]
    inherited: Mapping[str, str]
    waterfall: list[Readiness] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def everything(self) -> None:
        """Start all, wait for all, side by side; raises StackError with what failed."""
        with ThreadPoolExecutor() as threads:
            s3 = threads.submit(self._s3)
            peers = threads.submit(self._peers)
            here = threads.submit(wiremock.find_wiremock, self.layout.place.cache)
            others = [threads.submit(self._wiremock, name, here) for name in WIREMOCKS]
            # Workers trust the authority that the peers make; the API makes buckets as it starts.
            others += [threads.submit(self._service, name, "worker", peers) for name in WORKERS]
            others += [threads.submit(self._service, "api", "api", peers, s3)]
        if self.failures:
            raise StackError("\n".join(self.failures))
        here.result()
        for future in (s3, peers, *others):
            future.result()
        self.waterfall.sort(key=lambda readiness: readiness.started_s)

    def _s3(self) -> None:
        port = str(self.layout.ports["s3"])
        env = {"TMPDIR": str(self.layout.scratch)}
        if minio := shutil.which("minio"):
            folder = str(self.layout.scratch / "minio")
            command = [minio, "server", folder, "--address", f"127.0.0.1:{port}", "--quiet"]
            env |= {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY}
        else:
            command = [sys.executable, "-W", "ignore", "-c", MOTO, "-H", "127.0.0.1", "-p", port]
        self._start("s3", command, self.layout.url("s3") + "/", env)

    def _peers(self) -> None:
        ports = [f"--port={name}={self.layout.ports[name]}" for name in PEERS]
        relay = f"minio={self.layout.ports['minio-relay']}:{self.layout.address('s3')}"
        command = [sys.executable, "-m", "mocks", "--host", "127.0.0.1", "--free", *ports]
        command += ["--relay", relay, "--ca-out", str(self.layout.ca_bundle)]
        env = {"PYTHONPATH": str(self.layout.place.root)}
        self._start("peers", command, self.layout.url("control") + "/healthz", env)

    def _wiremock(self, name: str, here: Future[WireMock]) -> None:
        folder = self.layout.scratch / name
        command = here.result().command(self.layout.ports[name], folder, WIREMOCKS[name])
        if name == RECORDING:
            command[1:1] = here.result().recording(self.layout.scratch)
        self._start(name, command, self.layout.url(name) + "/__admin/health", {})

    def _service(self, name: str, role: str, *needed: Future[None]) -> None:
        for future in needed:
            future.result()
        layout = self.layout
        supervisor = ["--listen", layout.address(f"{name}-supervisor"), "--quiet", "--with-parent"]
        supervisor += ["--log", str(layout.place.logs / f"{name}.log")]
        command = [sys.executable, "-S", "-E", str(SUPERVISOR), *supervisor, "--", *self.service]
        url = self.layout.url("api" if name == "api" else f"{name}-metrics") + "/health/ready"
        env = layout.service_environment(name)
        self._start(name, [*command, role], url, env)

    def _start(self, name: str, command: list[str], url: str, env: Mapping[str, str]) -> None:
        """Start a process and wait until it answers."""
        begun_s = time.monotonic() - self.begun
        started = self.processes.start(name, command, self._output(name), {**self.inherited, **env})
        endpoint = Endpoint(
            name=name,
            url=url,
            within_s=WITHIN_S,
            is_ready=(lambda _: True) if name == "s3" else is_ok,
            hopeless=lambda: self._hopeless(started),
        )
        try:
            wait_for(endpoint)
        except WaitFailedError as error:
            if CONSEQUENCE not in str(error):
                self.failures.append(f"{error}\n{last_lines(self._log(name))}")
            raise
        ready_s = time.monotonic() - self.begun
        self.waterfall.append(Readiness(name=name, started_s=begun_s, ready_s=ready_s))

    def _hopeless(self, started: Started) -> str | None:
        if self.failures:
            return CONSEQUENCE
        return started.ended() or self._service_ended(started.name)

    def _service_ended(self, name: str) -> str | None:
        """Return why the supervised service cannot answer."""
        if name not in SERVICES:
            return None
        code = exit_code_at(self.layout.url(f"{name}-supervisor"))
        return None if code is None else f"fetchbox ended with {code}"

    def _output(self, name: str) -> Path:
        """Where the process writes; the services' own logs are their supervisor's."""
        return self.layout.place.logs / f"{name}.out"

    def _log(self, name: str) -> Path:
        log = self.layout.place.logs / f"{name}.log"
        return log if log.exists() else self._output(name)


def exit_code_at(supervisor: str) -> int | None:
    """Return the exit code of a command that has ended, if its supervisor can be asked."""
    try:
        with urlopen(f"{supervisor}/state", timeout=1) as answer:  # noqa: S310 - our own http URL
            state: dict[str, int | None] = json.load(answer)
    except OSError:
        return None
    return state["exit_code"]
