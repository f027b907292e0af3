"""Every configuration key with its type and default (contract 7.2); nothing decides here.

Unknown keys are kept apart by pydantic and reported as warnings by `load`.
"""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from fetchbox.fetch.rotation import FailoverOrder
from fetchbox.settings.values import (
    Address,
    Count,
    Days,
    HeaderText,
    HttpUrl,
    IggyUrl,
    Listen,
    Millis,
    MillisOrNone,
    Name,
    Names,
    Networks,
    OptionalName,
    OptionalText,
    ProxyUris,
    Secret,
    Size,
    SizeOrNone,
    Table,
    TextTable,
)
from fetchbox.version import __version__

MIB = 1024**2


class BrokerProvider(StrEnum):
    """Adapters of the broker port."""

    SQLITE = "sqlite"
    IGGY = "iggy"


class StorageProvider(StrEnum):
    """Adapters of the storage port."""

    S3 = "s3"
    LOCAL = "local"
    MEMORY = "memory"


class LogLevel(StrEnum):
    """How much is logged."""

    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    WARNING = "warning"
    ERROR = "error"


class Section(BaseModel):
    """A table of the configuration."""

    model_config = ConfigDict(extra="allow", frozen=True)


class ServerSection(Section):
    """The API's listeners and what it accepts."""

    bind_addr: Listen = Field(
        Address(host="0.0.0.0", port=8080),  # noqa: S104 - containers decide who gets in
        description="where the API listens",
    )
    operator_bind_addr: Listen | None = Field(
        None, description="a second listener for /operators; none = on bind_addr"
    )
    operator_token: Secret = Field(None, description="needed for /operators; none = open")
    max_manifest_bytes: Size = Field(5 * MIB, description="largest manifest, after decompression")
    allow_large_manifests: bool = Field(
        default=False, description="permit max_manifest_bytes above 5MB"
    )
    max_resources_per_manifest: Count = Field(1000, description="most resources in a manifest")
    max_headers_per_resource: Count = Field(10, description="most headers, and tags, of a resource")
    max_header_value_bytes: Count = Field(1024, description="longest header or tag value")
    ledger_path: Path = Field(
        Path("data/ledger"), description="folder of the ledger; also spelled fjall_path"
    )
    request_timeout_ms: Millis = Field(30_000, description="longest handling of a request")


class BrokerSection(Section):
    """Which log carries the messages."""

    provider: BrokerProvider = Field(BrokerProvider.SQLITE, description="sqlite or iggy")
    path: Path = Field(Path("data/broker.db"), description="file of the SQLite broker")
    lease_ms: Millis = Field(
        10_000, description="SQLite: a worker silent for this long loses its partitions"
    )
    auto_provision: bool | None = Field(
        None, description="API creates topics and buckets; none = only with sqlite"
    )


class IggySection(Section):
    """The Iggy server, where broker.provider is iggy."""

    endpoint: IggyUrl = Field("iggy://localhost:8090", description="the server")
    client_id: Name = Field("iggy", description="Iggy user")
    client_secret: Secret = Field(None, description="its password; also from IGGY_CLIENT_SECRET")
    stream: Name = Field("fetchbox", description="stream that holds the topics")
    batch_size: Count | None = Field(
        None,
        description="open tasks read ahead per partition; none = 4 x worker.max_inflight_tasks,"
        " and max_resources_per_manifest more where a job type has a cap",
    )
    max_retries: Count = Field(3, description="attempts of a publish in total")
    base_backoff_ms: Millis = Field(200, description="wait after the first failed publish")
    max_backoff_ms: Millis = Field(5000, description="longest wait between publishes")


class StorageSection(Section):
    """Where manifests and resources go."""

    provider: StorageProvider = Field(
        StorageProvider.LOCAL, description="s3, local, or memory (for tests)"
    )
    bucket: Name = Field("fetchbox-default", description="default bucket")
    path: Path = Field(Path("data/objects"), description="local: folder of the buckets")
    region: OptionalName = Field(None, description="s3: region")
    endpoint: HttpUrl = Field(None, description="s3: another server than Amazon's")
    access_key: Secret = Field(
        None, description="s3: also from S3_ACCESS_KEY, then AWS_ACCESS_KEY_ID"
    )
    secret_key: Secret = Field(
        None, description="s3: also from S3_SECRET_KEY, then AWS_SECRET_ACCESS_KEY"
    )
    multipart_threshold: Size = Field(5 * MIB, description="larger bodies are uploaded in parts")
    default_prefix: str = Field("", description="put before keys of the two default templates")
    force_path_style: bool | None = Field(
        None, description="s3: bucket in the path; none = if endpoint is set"
    )


class HandlerSection(Section):
    """One job type."""

    handler: str = Field("", description="class as package.module.Class; empty = default handler")
    proxy_pool: OptionalName = Field(None, description="pool of this job type; none = direct")
    storage_bucket: OptionalName = Field(None, description="bucket instead of storage.bucket")
    key_prefix: OptionalText = Field(None, description="keys become PREFIX/JOB/RESOURCE")
    default_headers: TextTable = Field(
        default_factory=dict, description="request headers; a manifest's win"
    )
    options: Table = Field(
        default_factory=dict, description="for the handler; max_parallel_downloads caps workers"
    )


class PoolSection(Section):
    """One proxy pool."""

    primary: ProxyUris = Field(min_length=1, description="proxies, tried in this order")
    fallbacks: Names = Field((), description="pools tried when all of these failed")
    retry_backoff_ms: Millis = Field(500, description="wait after the first failed attempt")
    max_retries: Count = Field(3, description="most attempts through this pool per task")


class ProxySection(Section):
    """All proxy pools."""

    pools: dict[str, PoolSection] = Field(default_factory=dict)


class WorkerSection(Section):
    """How workers download."""

    max_inflight_tasks: Count = Field(32, description="downloads at once per worker")
    download_timeout_ms: MillisOrNone = Field(0, description="longest download; 0 = no limit")
    read_timeout_ms: Millis = Field(30_000, description="longest pause between bytes")
    connect_timeout_ms: Millis = Field(10_000, description="longest connect, proxy included")
    download_retry_limit: Count = Field(3, description="download attempts in total")
    storage_retry_limit: Count = Field(3, description="upload attempts in total")
    retry_backoff_ms: Millis = Field(1000, description="wait after the first failed attempt")
    max_backoff_ms: Millis = Field(30_000, description="longest wait between attempts")
    proxy_failover_order: FailoverOrder = Field(
        FailoverOrder.SEQUENTIAL, description="sequential, round_robin or random"
    )
    status_flush_interval_ms: Millis = Field(1000, description="how often status is reported")
    poll_interval_ms: Millis = Field(100, description="how often the broker is asked")
    shutdown_timeout_ms: Millis = Field(30_000, description="how long running tasks may finish")
    max_resource_bytes: SizeOrNone = Field(0, description="largest resource; 0 = no limit")
    user_agent: HeaderText = Field(
        f"FetchBox/{__version__}", description="unless a manifest names one"
    )
    blocked_networks: Networks = Field(
        ("169.254.0.0/16", "fe80::/10"), description="never connected to (cloud metadata)"
    )


class RetentionSection(Section):
    """What is kept for how long."""

    job_ttl_days: Days = Field(30, description="jobs in the ledger")
    ledger_max_bytes: Size = Field(50 * 1024 * MIB, description="size of the ledger")
    logs_ttl_days: Days = Field(30, description="topic jobs.logs")
    tasks_ttl_days: Days = Field(7, description="topic jobs.tasks")
    status_ttl_days: Days = Field(14, description="topic jobs.status")
    dlq_ttl_days: Days = Field(90, description="topic jobs.dlq")
    idempotency_ttl_days: Days = Field(14, description="how long a repeat is recognised")


class TelemetrySection(Section):
    """What is observable, and where."""

    metrics_addr: Listen = Field(
        Address(host="0.0.0.0", port=9090),  # noqa: S104 - as above
        description="metrics and health; if not set and taken, a free port",
    )
    otlp_endpoint: HttpUrl = Field(None, description="where traces go (extra otlp)")
    log_level: LogLevel = Field(
        LogLevel.INFO, description="debug, info, warn or error; also from FETCHBOX_LOG"
    )
