"""taskiq with redis: what a Python team would write for this."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Literal

from tests.load.bench.arms import Arm, Ends, Workload
from tests.load.bench.peers.installing import python_peers, redis_server
from tests.load.bench.peers.running import KEYS, spend
from tests.load.bench.service import BUCKET, Run, cpu_seconds, free_port
from tests.load.bench.setup import Bench

ROOT: Final = Path(__file__).resolve().parents[4]
WORKER: Final = ("worker", "tests.load.bench.peers.taskiq_tasks:broker", "--log-level", "WARNING")
READY_WITHIN_S: Final = 30


def prepare(store: Literal["aiobotocore", "obstore"], bench: Bench) -> Arm:
    """Install it, and find a redis; raises AbsentError."""
    return partial(_run, store, python_peers(bench.cache), redis_server(bench.cache))


def _run(store: str, programs: Path, redis: Path, load: Workload, ends: Ends) -> Run:
    """Start queue and workers, then let the driver queue the tasks and take the time."""
    urls = ends.folder / "urls.txt"
    urls.write_text("\n".join(load.urls(ends.origin)))
    port = free_port()
    each = load.in_flight // load.workers
    variables = {
        "PEER_REDIS": f"redis://127.0.0.1:{port}",
        "PEER_FOLDER": str(ends.folder),
        "PEER_STORE": store,
        "PEER_S3": ends.s3,
        "PEER_BUCKET": BUCKET,
        "PEER_IN_FLIGHT": str(each),
        "PYTHONPATH": str(ROOT),
    }
    # Nothing is written to disk: faster than a queue that keeps its promises.
    queue = [redis, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    worker = [programs / "taskiq", *WORKER, "--workers", str(load.workers)]
    worker += ["--max-async-tasks", str(each), "--max-prefetch", str(each)]
    worker += ["--ack-type", "when_received"]
    driver = [programs / "python", "-m", "tests.load.bench.peers.taskiq_driver", urls]
    with (
        _process("redis", queue, ends.folder, {}) as server,
        _process("taskiq", worker, ends.folder, variables) as master,
    ):
        pids = _wait_ready(ends.folder, load.workers, master)
        before = [cpu_seconds(server.pid), _cpu_of([master.pid, *pids])]
        spent = spend(driver, ends.folder, variables)
        after = [cpu_seconds(server.pid), _cpu_of([master.pid, *pids])]
    told = json.loads(spent.output)
    roles = {"redis": after[0] - before[0], "workers": after[1] - before[1]}
    return Run(seconds=told["seconds"], cpu_s={"driver": told["cpu_s"], **roles})


@contextmanager
def _process(
    name: str, command: Sequence[object], folder: Path, variables: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            env=os.environ | KEYS | dict(variables),
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_ready(folder: Path, workers: int, master: subprocess.Popen[bytes]) -> list[int]:
    """Return the processes of the workers when all have said that they are ready."""
    deadline = time.monotonic() + READY_WITHIN_S
    while len(ready := list(folder.glob("*.ready"))) < workers:
        if master.poll() is not None or time.monotonic() > deadline:
            log = (folder / "taskiq.log").read_text(errors="replace")
            raise RuntimeError(f"the taskiq workers did not start: {log[-2000:]}")
        time.sleep(0.05)
    return [int(path.stem) for path in ready]


def _cpu_of(pids: Sequence[int]) -> float:
    return sum(map(cpu_seconds, pids))
