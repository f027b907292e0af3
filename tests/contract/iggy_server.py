"""An Iggy server of the test's own, which can be killed and started again on its data."""

import asyncio
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from fetchbox.broker.iggy import IggyBroker
from fetchbox.broker.iggy_connection import IggyOptions

USER: Final = "iggy"
PASSWORD: Final = "iggy-secret"
WITHIN_S: Final = 20.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass
class IggyServer:
    """The binary that FETCHBOX_TEST_IGGY_SERVER names, with everything acknowledged on disk."""

    binary: str
    folder: Path
    port: int = field(default_factory=free_port)
    running: asyncio.subprocess.Process | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        env = {
            "IGGY_ROOT_USERNAME": USER,
            "IGGY_ROOT_PASSWORD": PASSWORD,
            "IGGY_SYSTEM_PATH": str(self.folder),
            "IGGY_SYSTEM_PARTITION_ENFORCE_FSYNC": "true",
            "IGGY_SYSTEM_PARTITION_MESSAGES_REQUIRED_TO_SAVE": "1",
            "IGGY_QUIC_ENABLED": "false",
            "IGGY_WEBSOCKET_ENABLED": "false",
            "IGGY_HTTP_ENABLED": "false",
            "IGGY_TCP_ADDRESS": self.endpoint,
        }
        with (self.folder.parent / "iggy.log").open("ab") as log:
            self.running = await asyncio.create_subprocess_exec(
                self.binary, env=os.environ | env, stdout=log, stderr=log
            )
        async with asyncio.timeout(WITHIN_S):
            while not await self._answers():
                assert self.running.returncode is None, "the server ended: see iggy.log"
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        if self.running is not None:
            self.running.kill()
            await self.running.wait()
        self.running = None

    async def _answers(self) -> bool:
        try:
            async with IggyBroker(options(self.endpoint, call_timeout_ms=1000)) as broker:
                await broker.describe("none")
        except Exception:  # noqa: BLE001 - not yet, whatever it says
            return False
        return True


def options(endpoint: str, *, call_timeout_ms: int = 2000) -> IggyOptions:
    return IggyOptions(
        endpoint=endpoint,
        username=USER,
        password=PASSWORD,
        poll_interval_ms=10,
        call_timeout_ms=call_timeout_ms,
    )


def server_binary() -> str:
    binary = os.environ.get("FETCHBOX_TEST_IGGY_SERVER")
    if not binary:
        pytest.skip("needs a server to kill: set FETCHBOX_TEST_IGGY_SERVER to iggy-server 0.8.0")
    return binary
