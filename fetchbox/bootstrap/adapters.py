"""Which adapter serves which port, by the settings."""

import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

from fetchbox.bootstrap.errors import StartError
from fetchbox.broker.port import Broker
from fetchbox.broker.sqlite import SqliteBroker
from fetchbox.fetch.http import HttpFetcher, HttpOptions
from fetchbox.fetch.port import Fetcher
from fetchbox.ledger.port import Ledger
from fetchbox.ledger.sqlite import SqliteLedger
from fetchbox.settings.derived import publish_retry, revealed, uses_path_style
from fetchbox.settings.sections import BrokerProvider, StorageProvider
from fetchbox.settings.settings import Settings
from fetchbox.storage.objects import S3Options, local_storage, memory_storage, s3_storage
from fetchbox.storage.port import Storage


def system_clock() -> int:
    """Return the wall clock in Unix milliseconds; the one place it is read."""
    return time.time_ns() // 1_000_000


def open_broker(settings: Settings) -> AbstractAsyncContextManager[Broker]:
    """Return the configured broker, to be entered."""
    if settings.broker.provider is BrokerProvider.IGGY:
        return _iggy(settings)
    return SqliteBroker(
        path=settings.broker.path,
        lease_ms=settings.broker.lease_ms,
        poll_interval_ms=settings.worker.poll_interval_ms,
        clock=system_clock,
        retry=publish_retry(settings),
    )


def _iggy(settings: Settings) -> AbstractAsyncContextManager[Broker]:
    try:
        # Only here: the SDK is an extra that most installations do without.
        from fetchbox.broker.iggy import IggyBroker  # noqa: PLC0415
        from fetchbox.broker.iggy_connection import IggyOptions  # noqa: PLC0415
    except ImportError as error:
        msg = "broker.provider = iggy needs the Iggy client: pip install 'fetchbox[iggy]'"
        raise StartError(msg) from error
    iggy = settings.iggy
    return IggyBroker(
        IggyOptions(
            endpoint=urlsplit(iggy.endpoint).netloc,
            username=iggy.client_id,
            password=revealed(iggy.client_secret) or "",
            stream=iggy.stream,
            poll_interval_ms=settings.worker.poll_interval_ms,
        )
    )


def open_storage(settings: Settings) -> AbstractAsyncContextManager[Storage]:
    """Return the configured storage, to be entered."""
    storage = settings.storage
    match storage.provider:
        case StorageProvider.LOCAL:
            return local_storage(storage.path)
        case StorageProvider.MEMORY:
            return memory_storage()
        case StorageProvider.S3:
            return s3_storage(
                S3Options(
                    endpoint=storage.endpoint,
                    region=storage.region,
                    access_key=revealed(storage.access_key),
                    secret_key=revealed(storage.secret_key),
                    force_path_style=uses_path_style(settings),
                )
            )


def open_ledger(path: Path) -> AbstractAsyncContextManager[Ledger]:
    """Return the ledger in a folder, to be entered."""
    return SqliteLedger(path=path)


def open_fetcher(settings: Settings) -> AbstractAsyncContextManager[Fetcher]:
    """Return the HTTP client, to be entered."""
    worker = settings.worker
    return HttpFetcher(
        HttpOptions(
            user_agent=worker.user_agent,
            connect_timeout_ms=worker.connect_timeout_ms,
            read_timeout_ms=worker.read_timeout_ms,
            download_timeout_ms=worker.download_timeout_ms,
            blocked_networks=worker.blocked_networks,
            max_connections=worker.max_inflight_tasks,
        )
    )
