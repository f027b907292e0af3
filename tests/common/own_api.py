"""An API process of a test's own, for configurations that the shared stack does not have."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from runner.stacks.ports import free_ports
from runner.waiting import Endpoint, wait_for
from tests.common.cli import clean_environment, fetchbox_command

STOP_S = 10.0


@contextmanager
def own_api(folder: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Run `fetchbox api` with everything under `folder`; yield its base URL."""
    command = fetchbox_command()
    assert command, "the fetchbox command is not installed here; pip install it"
    port, metrics_port = free_ports(2)
    env = {
        **clean_environment(),
        "FETCHBOX__SERVER__FJALL_PATH": str(folder / "ledger"),
        "FETCHBOX__BROKER__PATH": str(folder / "broker.db"),
        "FETCHBOX__STORAGE__PATH": str(folder / "objects"),
        "FETCHBOX__TELEMETRY__METRICS_ADDR": f"127.0.0.1:{metrics_port}",
        **settings,
    }
    log = folder / "api.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [command, "api", "--address", f"127.0.0.1:{port}"],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"

    def ended() -> str | None:
        return f"it ended: {log.read_text()[-2000:]}" if process.poll() is not None else None

    try:
        wait_for(Endpoint(name="own API", url=f"{url}/health/ready", hopeless=ended))
        yield url
    finally:
        process.terminate()
        process.wait(STOP_S)
