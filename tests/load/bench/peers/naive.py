"""FastAPI with taskiq on Redis: API and queue as processes, for the time of a measurement."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.load.bench.floor import wait_live
from tests.load.bench.peers.installing import python_peers, redis_server
from tests.load.bench.service import free_port
from tests.load.bench.setup import Bench

#: Starts the stack and yields the API's base URL.
Stack = Callable[[], AbstractContextManager[str]]


def prepare(bench: Bench) -> Stack:
    """Install it, and find a redis; raises AbsentError."""
    return partial(_running, python_peers(bench.cache), redis_server(bench.cache))


@contextmanager
def _running(programs: Path, redis: Path) -> Iterator[str]:
    queue, port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fetchbox-bench-"))
        log = stack.enter_context((Path(folder) / "peer.log").open("wb"))

        def start(*command: str | Path) -> None:
            environment = os.environ | {"PEER_REDIS": f"redis://127.0.0.1:{queue}"}
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, cwd=Path(__file__).parent
            )
            stack.callback(process.wait, timeout=20)
            stack.callback(process.terminate)

        start(redis, "--port", str(queue), "--bind", "127.0.0.1", "--save", "", "--dir", folder)
        start(programs / "uvicorn", "naive_api:app", "--port", str(port), "--no-access-log")
        wait_live(f"{url}/health/ready")
        yield url
