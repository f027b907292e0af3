"""One schedule, several machines: master and two workers send every order once."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest

from runner.stacks.ports import free_ports

ROOT = Path(__file__).parents[3]
LOAD = "RATE=20 DURATION=2 RESOURCES=2 SIZE=1kB UPSTREAM=http://origin"


class Api(ThreadingHTTPServer):
    """Takes every job, and remembers which orders came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Take)
        self.orders: Counter[str] = Counter()


class Take(BaseHTTPRequestHandler):
    """Answers 202."""

    protocol_version = "HTTP/1.1"
    server: Api

    def do_POST(self) -> None:
        manifest = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.orders[manifest["resources"][1]["url"].split("/")[-2]] += 1
        body = json.dumps({"job_id": "j"}).encode()
        self.send_response(202)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def locust(api: Api, *words: str) -> Iterator["subprocess.Popen[str]"]:
    host = f"http://127.0.0.1:{api.server_address[1]}"
    command = [sys.executable, "-m", "locust", "-f", "tests/load/locustfile.py", "--host", host]
    with subprocess.Popen(
        [*command, *words],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


# Looked for, not imported: the import patches the sockets of this process.
@pytest.mark.skipif(find_spec("locust") is None, reason="locust is not installed: see testing.md")
@pytest.mark.timeout(120)
def test_master_and_two_workers_send_every_order_once(api: Api) -> None:
    (port,) = free_ports(1)
    master = ("--master", "--expect-workers", "2", "--master-bind-port", str(port), "--headless")
    share = ("--users", "2", "--generators", "2", "--load", LOAD, "--json")
    worker = ("--worker", "--master-port", str(port))
    with ExitStack() as stack:
        leading = stack.enter_context(locust(api, *master, *share))
        for _ in range(2):
            stack.enter_context(locust(api, *worker))
        output, _ = leading.communicate(timeout=60)
    assert api.orders == Counter({str(number): 1 for number in range(40)}), output[-2000:]
    assert "40 manifests were sent by 2 generators" in output
    assert '"num_requests": 40' in output
