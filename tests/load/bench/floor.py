"""The two ends of every benchmark: a static origin and a null S3, one small Go program."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from tests.load.bench.service import free_port

SOURCE: Final = Path(__file__).parent.parent / "floor"


class AbsentError(Exception):
    """Something a benchmark needs is not on this machine; it is reported, never assumed."""


def build_floor(cache: Path) -> Path:
    """Build the program once per source; raises AbsentError without a Go toolchain."""
    binary = cache / "floor"
    newest = max(source.stat().st_mtime for source in SOURCE.glob("*.go"))
    if binary.exists() and binary.stat().st_mtime >= newest:
        return binary
    go = shutil.which("go")
    if go is None:
        msg = "no Go toolchain on PATH: the static origin and the null S3 are built with it"
        raise AbsentError(msg)
    cache.mkdir(parents=True, exist_ok=True)
    subprocess.run([go, "build", "-o", str(binary.resolve()), "."], cwd=SOURCE, check=True)
    return binary


@contextmanager
def floor(binary: Path, role: Literal["origin", "proxy", "sink", "accept"]) -> Iterator[str]:
    """Run one end on a free loopback port and yield its base URL."""
    with floors(binary, role, 1) as urls:
        yield urls[0]


@contextmanager
def floors(binary: Path, role: str, count: int) -> Iterator[list[str]]:
    """Run one end on several ports; what it remembers it knows at all of them."""
    command = [str(binary), role, *["127.0.0.1:0"] * count]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            addresses = json.loads(process.stdout.readline())["addresses"]
            yield [f"http://{address}" for address in addresses]
        finally:
            process.terminate()


@contextmanager
def minio(binary: Path, folder: Path) -> Iterator[str]:
    """Run a MinIO on `folder` (a tmpfs, for plane T) and yield its base URL."""
    address = f"127.0.0.1:{free_port()}"
    command = [str(binary), "server", str(folder), "--address", address, "--quiet"]
    keys = {"MINIO_ROOT_USER": "bench-key", "MINIO_ROOT_PASSWORD": "bench-secret"}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | keys
    ) as process:
        try:
            wait_live(f"http://{address}/minio/health/ready")
            yield f"http://{address}"
        finally:
            process.terminate()


def wait_live(url: str) -> None:
    """Wait until a server that was just started answers."""
    deadline = time.monotonic() + 20
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310  # an address of our own
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
