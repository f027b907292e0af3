"""The services as whoever starts them sees them: processes, signals, exit codes, what is left."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from fetchbox.cli.exits import Exit

COMMAND = (sys.executable, "-m", "fetchbox.cli.main")
FREE = "127.0.0.1:0"
DEADLINE_S = 20.0


@dataclass
class Started:
    """A service process; its log is read as it is written."""

    process: subprocess.Popen[str]
    lines: list[dict[str, Any]] = field(default_factory=list)
    grown: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.grown:
                self.lines.append(json.loads(line))
                self.grown.notify_all()

    def line(self, message: str, **facts: str) -> dict[str, Any]:
        """Wait for a log line."""

        def found() -> list[dict[str, Any]]:
            wanted = {"message": message, **facts}
            return [line for line in self.lines if wanted.items() <= line.items()]

        with self.grown:
            assert self.grown.wait_for(found, DEADLINE_S), (message, facts, self.lines[-5:])
            return found()[0]

    def url(self, listener: str = "server.bind_addr") -> str:
        return f"http://{self.line('listening', listener=listener)['address']}"

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what was said on stderr."""
        code = self.process.wait(DEADLINE_S)
        assert self.process.stderr is not None
        return code, self.process.stderr.read()


@dataclass
class Place:
    """A folder that services run in, and the means to start them there."""

    folder: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *words: str, **env: str) -> Started:
        plain = {
            "FETCHBOX__SERVER__BIND_ADDR": FREE,
            "FETCHBOX__TELEMETRY__METRICS_ADDR": FREE,
            "FETCHBOX__WORKER__STATUS_FLUSH_INTERVAL_MS": "50",
            "FETCHBOX__BROKER__LEASE_MS": "1000",
        }
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("FETCHBOX")}
        process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=self.folder,
            env={**inherited, "PYTHONPATH": str(Path(__file__).parents[2]), **plain, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return Started(process)

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()


class Gate(ThreadingHTTPServer):
    """An origin whose answers wait for `opened`; `entered` says that one is waiting."""

    daemon_threads = True

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", 0), GatedAnswer)


class GatedAnswer(BaseHTTPRequestHandler):
    server: Gate

    def do_GET(self) -> None:
        self.server.entered.set()
        self.server.opened.wait(DEADLINE_S)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"body")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002 - its own
        return


@contextmanager
def gate() -> Iterator[Gate]:
    with Gate() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.opened.set()
            server.shutdown()
            thread.join()


def submit(api: str, url: str) -> str:
    manifest = {
        "manifest_version": "v1",
        "metadata": {},
        "resources": [{"id": "one", "url": url}],
    }
    headers = {"X-Fetchbox-Job-Type": "default"}
    answer = requests.post(f"{api}/jobs", json=manifest, headers=headers, timeout=DEADLINE_S)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def status_of(api: str, job_id: str) -> str:
    answer = requests.get(f"{api}/operators/jobs/{job_id}", timeout=DEADLINE_S)
    return str(answer.json().get("status"))


def wait_for_status(api: str, job_id: str, wanted: str) -> None:
    until = time.monotonic() + DEADLINE_S
    while (status := status_of(api, job_id)) != wanted:
        assert time.monotonic() < until, status
        time.sleep(0.05)


def address_of(gate: Gate) -> str:
    return f"http://127.0.0.1:{gate.server_address[1]}/one"


def test_worker_finishes_what_it_has_begun_and_the_api_remembers_it(place: Place) -> None:
    """SIGTERM drains; both exit 0; a new API on the same folder knows the job."""
    with gate() as origin:
        api, worker = place.start("api"), place.start("worker")
        job_id = submit(api.url(), address_of(origin))
        assert origin.entered.wait(DEADLINE_S)
        worker.send(signal.SIGTERM)
        worker.line("stopping", signal="SIGTERM")
        assert worker.process.poll() is None
        origin.opened.set()
        assert worker.ended() == (Exit.OK, "")
        wait_for_status(api.url(), job_id, "completed")
        api.send(signal.SIGTERM)
        assert api.ended() == (Exit.OK, "")
    again = place.start("api")
    assert status_of(again.url(), job_id) == "completed"
    again.send(signal.SIGINT)
    assert again.ended() == (Exit.OK, "")
    stored = place.folder / "data/objects/fetchbox-default/resources/default" / job_id / "one"
    assert stored.read_bytes() == b"body"


def test_second_signal_ends_it_at_once_and_the_task_comes_again(place: Place) -> None:
    with gate() as origin:
        api, worker = place.start("api"), place.start("worker")
        job_id = submit(api.url(), address_of(origin))
        assert origin.entered.wait(DEADLINE_S)
        worker.send(signal.SIGINT)
        worker.line("stopping", signal="SIGINT")
        worker.send(signal.SIGTERM)
        code, _ = worker.ended()
        assert code == 128 + signal.SIGTERM
        assert status_of(api.url(), job_id) in {"queued", "in_progress"}
        origin.opened.set()
        place.start("worker")
        wait_for_status(api.url(), job_id, "completed")


def test_worker_started_first_waits_for_the_api(place: Place) -> None:
    worker = place.start("worker")
    ready = f"{worker.url('telemetry.metrics_addr')}/health/ready"
    assert requests.get(ready, timeout=DEADLINE_S).status_code == 503
    place.start("api").url()
    worker.line("worker starts")
    until = time.monotonic() + DEADLINE_S
    while requests.get(ready, timeout=DEADLINE_S).status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_stop_while_waiting_is_a_clean_end(place: Place) -> None:
    worker = place.start("worker")
    worker.url("telemetry.metrics_addr")
    worker.send(signal.SIGTERM)
    assert worker.ended() == (Exit.OK, "")


def test_every_line_of_the_log_is_json_with_the_fixed_fields(place: Place) -> None:
    api = place.start("api", FETCHBOX_LOG="debug")
    requests.get(f"{api.url()}/health", timeout=DEADLINE_S)
    api.line("request served", path="/health")
    api.send(signal.SIGTERM)
    assert api.ended() == (Exit.OK, "")
    for line in api.lines:
        assert {"timestamp", "level", "target", "message"} <= line.keys()
        assert line["level"] in {"debug", "info", "warn"}, line


def test_dev_is_everything_in_one_process(place: Place) -> None:
    with gate() as origin:
        origin.opened.set()
        dev = place.start("dev", "--address", FREE)
        job_id = submit(dev.url(), address_of(origin))
        wait_for_status(dev.url(), job_id, "completed")
        dev.send(signal.SIGINT)
        code, banner = dev.ended()
    assert code == Exit.OK
    assert f"  API         {dev.url()}" in banner
    assert "data/objects/fetchbox-default/" in banner


AWAY = "127.0.0.1:9"
IGGY_AWAY = {
    "FETCHBOX__BROKER__PROVIDER": "iggy",
    "FETCHBOX__BROKER__AUTO_PROVISION": "true",
    "FETCHBOX__IGGY__ENDPOINT": f"iggy://{AWAY}",
    "IGGY_CLIENT_SECRET": "do-not-show-me",
}
S3_AWAY = {
    "FETCHBOX__STORAGE__PROVIDER": "s3",
    "FETCHBOX__STORAGE__ENDPOINT": f"http://{AWAY}",
    "FETCHBOX__STORAGE__REGION": "us-east-1",
    "S3_ACCESS_KEY": "access",
    "S3_SECRET_KEY": "do-not-show-me",
}


@pytest.mark.parametrize(
    ("env", "code"),
    [
        pytest.param(IGGY_AWAY, "QUEUE_UNAVAILABLE", id="iggy"),
        pytest.param(S3_AWAY, "STORAGE_UNAVAILABLE", id="s3"),
    ],
)
def test_api_stays_up_while_a_dependency_is_away(
    place: Place, env: dict[str, str], code: str
) -> None:
    """It says so, refuses what it cannot take, and ends when told to; its log stays JSON."""
    if env is IGGY_AWAY:
        pytest.importorskip("apache_iggy")
    api = place.start("api", **env)
    ready = requests.get(f"{api.url()}/health/ready", timeout=DEADLINE_S)
    assert ready.status_code == 503
    answer = requests.post(
        f"{api.url()}/jobs",
        json={
            "manifest_version": "v1",
            "metadata": {},
            "resources": [{"id": "one", "url": "http://127.0.0.1/one"}],
        },
        headers={"X-Fetchbox-Job-Type": "default"},
        timeout=DEADLINE_S,
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, code)
    api.send(signal.SIGTERM)
    assert api.ended() == (Exit.OK, "")
    assert "do-not-show-me" not in json.dumps(api.lines) + answer.text


def test_command_on_an_iggy_that_is_away_ends_in_good_order(place: Place) -> None:
    """The client of Iggy must take nothing down with it; it used to, one time in four."""
    pytest.importorskip("apache_iggy")
    for _ in range(5):
        code, stderr = place.start("streams", "describe", **IGGY_AWAY).ended()
        assert code == Exit.UNREACHABLE
        assert stderr.startswith(f"error: iggy: no connection to {AWAY}")


@pytest.mark.parametrize(
    ("env", "code", "says"),
    [
        pytest.param(
            {"FETCHBOX__HANDLERS__SHOP__HANDLER": "nowhere.Shop"},
            Exit.CONFIG,
            "error: handlers.shop.handler = nowhere.Shop (from FETCHBOX__HANDLERS__SHOP__HANDLER)",
            id="handler-path",
        ),
        pytest.param(
            {"FETCHBOX__SERVER__LEDGER_PATH": "/proc/ledger"},
            Exit.REFUSED,
            "error: the ledger cannot be opened: ",
            id="ledger-folder",
        ),
        pytest.param(
            {"FETCHBOX__BROKER__PATH": "/proc/broker.db"},
            Exit.REFUSED,
            "error: the broker cannot be opened: ",
            id="broker-file",
        ),
        pytest.param(
            {"FETCHBOX__SERVER__BIND_ADDR": "192.0.2.1:80"},
            Exit.REFUSED,
            "error: cannot listen on 192.0.2.1:80: Cannot assign requested address",
            id="foreign-address",
        ),
    ],
)
def test_start_that_fails_is_one_line(
    place: Place, env: dict[str, str], code: Exit, says: str
) -> None:
    found, stderr = place.start("api", **env).ended()
    assert found == code
    assert stderr.startswith(says)
    assert stderr.count("\n") == 1


def test_taken_port_and_ledger_in_use_are_one_line_each(place: Place) -> None:
    first = place.start("api")
    first.url()
    code, stderr = place.start("api").ended()
    assert code == Exit.REFUSED
    assert "is in use by process" in stderr
    assert stderr.count("\n") == 1
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        other = place.start("api", "--address", address, "--ledger-path", "other")
        code, stderr = other.ended()
    assert code == Exit.REFUSED
    assert stderr.startswith(f"error: cannot listen on {address}: Address already in use")
    assert stderr.count("\n") == 1
