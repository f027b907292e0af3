"""An Iggy server of the benchmark's own, which can be killed and started again on its data."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.load.bench.floor import AbsentError
from tests.load.bench.service import free_port

PROGRAM: Final = "iggy-server"
NO_IGGY: Final = f"put {PROGRAM} 0.8.0 on PATH, or name it in FETCHBOX_TEST_IGGY_SERVER"
USER: Final = "iggy"
PASSWORD: Final = "iggy-secret"
#: How long it may take to listen.
WITHIN_S: Final = 20.0


@dataclass(slots=True, kw_only=True)
class IggyServer:
    """A server with everything acknowledged on disk."""

    binary: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def settings(self) -> dict[str, str]:
        """What FetchBox is told of it."""
        return {
            "FETCHBOX__BROKER__PROVIDER": "iggy",
            "FETCHBOX__BROKER__AUTO_PROVISION": "true",
            "FETCHBOX__IGGY__ENDPOINT": f"iggy://127.0.0.1:{self.port}",
            "FETCHBOX__IGGY__CLIENT_ID": USER,
            "FETCHBOX__IGGY__CLIENT_SECRET": PASSWORD,
        }

    def crash(self) -> None:
        """Kill it and start it again on its data."""
        self.process.kill()
        self.process.wait()
        self.process = _started(self.binary, self.folder, self.port)


@contextmanager
def iggy_server(folder: Path) -> Iterator[IggyServer]:
    """Run one with its data in a folder; raises AbsentError where there is none."""
    binary = os.environ.get("FETCHBOX_TEST_IGGY_SERVER") or shutil.which(PROGRAM)
    if binary is None:
        raise AbsentError(NO_IGGY)
    port = free_port()
    process = _started(binary, folder, port)
    server = IggyServer(binary=binary, folder=folder, port=port, process=process)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def _started(binary: str, folder: Path, port: int) -> subprocess.Popen[bytes]:
    environment = {
        "IGGY_ROOT_USERNAME": USER,
        "IGGY_ROOT_PASSWORD": PASSWORD,
        "IGGY_SYSTEM_PATH": str(folder / "iggy"),
        "IGGY_SYSTEM_PARTITION_ENFORCE_FSYNC": "true",
        "IGGY_SYSTEM_PARTITION_MESSAGES_REQUIRED_TO_SAVE": "1",
        "IGGY_QUIC_ENABLED": "false",
        "IGGY_WEBSOCKET_ENABLED": "false",
        "IGGY_HTTP_ENABLED": "false",
        "IGGY_TCP_ADDRESS": f"127.0.0.1:{port}",
    }
    with (folder / "iggy.log").open("ab") as log:
        process = subprocess.Popen([binary], env=os.environ | environment, stdout=log, stderr=log)
    asyncio.run(_wait_until_listening(port, process))
    return process


async def _wait_until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"{PROGRAM} ended with code {process.returncode}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
