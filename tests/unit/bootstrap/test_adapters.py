"""Which adapter serves which port."""

import sys
from pathlib import Path

import pytest

from fetchbox.bootstrap.adapters import (
    open_broker,
    open_fetcher,
    open_ledger,
    open_storage,
    system_clock,
)
from fetchbox.bootstrap.errors import StartError
from fetchbox.broker.sqlite import SqliteBroker
from fetchbox.fetch.http import HttpFetcher
from fetchbox.ledger.sqlite import SqliteLedger
from fetchbox.settings.load import load_settings
from fetchbox.settings.settings import Settings
from fetchbox.storage.port import UploadOptions

IGGY = {"FETCHBOX__BROKER__PROVIDER": "iggy", "IGGY_CLIENT_SECRET": "secret"}


def load(tmp_path: Path, **env: str) -> Settings:
    return load_settings(tmp_path / "absent.toml", env)


def test_sqlite_is_the_broker_unless_said(tmp_path: Path) -> None:
    assert isinstance(open_broker(load(tmp_path)), SqliteBroker)


def test_iggy_is_the_broker_if_configured(tmp_path: Path) -> None:
    pytest.importorskip("apache_iggy")
    assert type(open_broker(load(tmp_path, **IGGY))).__name__ == "IggyBroker"


def test_missing_extra_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("iggy", "iggy_connection", "iggy_member"):
        monkeypatch.delitem(sys.modules, f"fetchbox.broker.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "apache_iggy", None)
    with pytest.raises(StartError, match=r"pip install 'fetchbox\[iggy\]'"):
        open_broker(load(tmp_path, **IGGY))


@pytest.mark.parametrize("provider", ["local", "memory"])
async def test_storage_follows_its_provider(tmp_path: Path, provider: str) -> None:
    folder = tmp_path / "objects"
    env = {
        "FETCHBOX__STORAGE__PROVIDER": provider,
        "FETCHBOX__STORAGE__PATH": str(folder),
    }
    async with open_storage(load(tmp_path, **env)) as storage:
        await storage.ensure_bucket("fetchbox-default")
        await storage.put(UploadOptions(bucket="fetchbox-default", key="k"), b"body")
        assert await storage.get("fetchbox-default", "k") == b"body"
    assert (folder / "fetchbox-default" / "k").exists() is (provider == "local")


def test_s3_is_made_without_a_connection(tmp_path: Path) -> None:
    env = {
        "FETCHBOX__STORAGE__PROVIDER": "s3",
        "FETCHBOX__STORAGE__ENDPOINT": "http://127.0.0.1:9",
        "FETCHBOX__STORAGE__REGION": "us-east-1",
        "S3_ACCESS_KEY": "a",
        "S3_SECRET_KEY": "do-not-show-me",
    }
    assert "do-not-show-me" not in repr(open_storage(load(tmp_path, **env)))


def test_ledger_and_fetcher_are_the_only_ones_there_are(tmp_path: Path) -> None:
    assert isinstance(open_ledger(tmp_path), SqliteLedger)
    assert isinstance(open_fetcher(load(tmp_path)), HttpFetcher)


def test_clock_counts_milliseconds() -> None:
    assert 1_700_000_000_000 < system_clock() < 4_000_000_000_000
