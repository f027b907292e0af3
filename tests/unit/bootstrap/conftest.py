"""Settings of a service that keeps everything under one folder and takes free ports."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fetchbox.settings.load import load_settings
from fetchbox.settings.settings import Settings

Load = Callable[..., Settings]

FREE = "127.0.0.1:0"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load settings; name sections and keys that shall differ, as variables without prefix."""

    def load_with(text: str = "", **env: str) -> Settings:
        file = tmp_path / "fetchbox.toml"
        file.write_text(text)
        plain = {
            "SERVER__BIND_ADDR": FREE,
            "SERVER__LEDGER_PATH": str(tmp_path / "ledger"),
            "TELEMETRY__METRICS_ADDR": FREE,
            "BROKER__PATH": str(tmp_path / "broker.db"),
            "STORAGE__PATH": str(tmp_path / "objects"),
            "WORKER__STATUS_FLUSH_INTERVAL_MS": "20",
        }
        return load_settings(file, {f"FETCHBOX__{k}": v for k, v in {**plain, **env}.items()})

    return load_with
