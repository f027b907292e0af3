"""FetchBox under measurement: API and workers as real processes, driven over HTTP."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import aiohttp

BUCKET: Final = "bench-bucket"
TERMINAL: Final = frozenset({"completed", "failed"})
_TICKS: Final = os.sysconf("SC_CLK_TCK")
#: How often the last job is looked at: often enough for the clock, too seldom to cost the service.
POLL_S: Final = 0.1
#: A run that takes longer than this is reported as broken.
LIMIT_S: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one arm did: wall seconds from first request to last job completed, and CPU by role."""

    seconds: float
    cpu_s: Mapping[str, float]
    #: How many resources were copied; set where they are counted.
    count: int = 0

    @property
    def per_s(self) -> float:
        """Resources per second."""
        return self.count / self.seconds

    @property
    def cpu_us(self) -> dict[str, float]:
        """CPU microseconds per resource, by role."""
        return {role: used / self.count * 1e6 for role, used in self.cpu_s.items()}


@dataclass(slots=True, kw_only=True)
class Service:
    """A running FetchBox: its base URL and its processes by role."""

    url: str
    api: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]
    #: Starts one more process, by the words of its command line, and returns when it is ready.
    start: Callable[..., subprocess.Popen[bytes]]

    def crash_api(self) -> None:
        """Kill the API and start it again on the same address."""
        self.api = self._replace(self.api)

    def crash_worker(self) -> None:
        """Kill a worker and start it again."""
        self.workers[0] = self._replace(self.workers[0])

    def _replace(self, process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        process.kill()
        process.wait()
        assert isinstance(process.args, list)
        return self.start(*process.args[1:])

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds used so far, by role."""
        return {
            "api": cpu_seconds(self.api.pid),
            "worker": sum(cpu_seconds(worker.pid) for worker in self.workers),
        }


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def settings_of(folder: Path, s3: str, in_flight: int) -> dict[str, str]:
    return {
        "FETCHBOX_CONFIG": str(folder / "none.toml"),
        "FETCHBOX_LOG": "warning",
        "FETCHBOX__BROKER__PATH": str(folder / "broker.db"),
        "FETCHBOX__SERVER__FJALL_PATH": str(folder / "ledger"),
        "FETCHBOX__STORAGE__PROVIDER": "s3",
        "FETCHBOX__STORAGE__ENDPOINT": s3,
        "FETCHBOX__STORAGE__REGION": "us-east-1",
        "FETCHBOX__STORAGE__BUCKET": BUCKET,
        "FETCHBOX__STORAGE__ACCESS_KEY": "bench-key",
        "FETCHBOX__STORAGE__SECRET_KEY": "bench-secret",
        "FETCHBOX__WORKER__MAX_INFLIGHT_TASKS": str(in_flight),
    }


@contextmanager
def running(
    folder: Path,
    s3: str,
    *,
    workers: int = 1,
    in_flight: int = 64,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """Start API and workers on free ports; wait until every one is ready; end them.

    `settings` are environment variables of FetchBox, besides those every run has.
    """
    environment = {**os.environ, **settings_of(folder, s3, in_flight), **(settings or {})}
    port = free_port()
    with ExitStack() as stack:
        log = stack.enter_context((folder / "service.log").open("wb"))

        def launch(*words: str) -> tuple[str, subprocess.Popen[bytes]]:
            metrics = f"127.0.0.1:{free_port()}"
            own = environment | {"FETCHBOX__TELEMETRY__METRICS_ADDR": metrics}
            command = [str(Path(sys.executable).with_name("fetchbox")), *words]
            process = subprocess.Popen(command, env=own, stdout=log, stderr=log)
            stack.callback(_end, process)
            return f"http://{metrics}/health/ready", process

        def start(*words: str) -> subprocess.Popen[bytes]:
            return _awaited(*launch(*words))

        api = start("api", "--address", f"127.0.0.1:{port}")
        launched = [launch("worker") for _ in range(workers)]
        yield Service(
            url=f"http://127.0.0.1:{port}",
            api=api,
            workers=[_awaited(*each) for each in launched],
            start=start,
        )


def _awaited(url: str, process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    asyncio.run(_wait_ready(url, process))
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()


async def _wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            if process.poll() is not None:
                msg = f"the service ended with code {process.returncode} before it was ready"
                raise RuntimeError(msg)
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


def manifest_of(urls: Mapping[str, str]) -> bytes:
    resources = [{"id": name, "url": url} for name, url in urls.items()]
    return json.dumps({"manifest_version": "v1", "metadata": {}, "resources": resources}).encode()


def drive(
    service: Service,
    manifests: Sequence[bytes],
    meanwhile: Callable[[], object] = lambda: None,
    *,
    job_types: Sequence[str] = ("default",),
    may_fail: bool = False,
) -> Run:
    """Post the manifests one after the other, then wait until every job is completed.

    `meanwhile` is called, on a thread, when all are posted; the waiting goes on after it. Job types
    take turns. A job that fails is an error unless it may.
    """
    before = service.cpu_s()
    orders = list(zip(manifests, cycle(job_types), strict=False))
    seconds = asyncio.run(_drive(service.url, orders, meanwhile, may_fail=may_fail))
    after = service.cpu_s()
    return Run(seconds=seconds, cpu_s={role: after[role] - before[role] for role in after})


async def _drive(
    url: str,
    orders: Sequence[tuple[bytes, str]],
    meanwhile: Callable[[], object],
    *,
    may_fail: bool,
) -> float:
    async with asyncio.timeout(LIMIT_S), aiohttp.ClientSession(url) as session:
        started = time.perf_counter()
        waiting = [await _submit(session, *order) for order in orders]
        await asyncio.to_thread(meanwhile)
        while waiting:
            snapshot = await _snapshot(session, waiting[-1])
            if snapshot["status"] not in TERMINAL:
                await asyncio.sleep(POLL_S)
            elif snapshot["status"] == "failed" and not may_fail:
                msg = f"job {waiting[-1]} failed: {snapshot['last_error']}"
                raise RuntimeError(msg)
            else:
                waiting.pop()
        return time.perf_counter() - started


async def _submit(session: aiohttp.ClientSession, manifest: bytes, job_type: str) -> str:
    headers = {"Content-Type": "application/json", "X-Fetchbox-Job-Type": job_type}
    async with session.post("/jobs", data=manifest, headers=headers) as response:
        answer = await response.json()
        if response.status != 202:
            msg = f"POST /jobs answered {response.status}: {answer}"
            raise RuntimeError(msg)
        return str(answer["job_id"])


async def _snapshot(session: aiohttp.ClientSession, job_id: str) -> Mapping[str, Any]:
    async with session.get(f"/operators/jobs/{job_id}") as response:
        answer: Mapping[str, Any] = await response.json()
        return answer
