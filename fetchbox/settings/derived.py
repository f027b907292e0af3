"""Sections as the values rooms take. The one place that computes a figure from another."""

from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from fetchbox.broker.port import TopicSpec
from fetchbox.broker.streams import DAY_MS, topic_specs
from fetchbox.handlers.port import HandlerConfig
from fetchbox.intake.accept import IntakePolicy
from fetchbox.ledger.port import Retention
from fetchbox.model.manifest import ManifestLimits
from fetchbox.model.proxies import ProxyPool, pool_name
from fetchbox.model.retry import RetryPolicy
from fetchbox.settings.sections import BrokerProvider
from fetchbox.settings.settings import Settings
from fetchbox.worker.service import WorkerPolicy

#: Messages read ahead per partition for each task that runs at once.
READ_AHEAD: Final = 4


def revealed(secret: SecretStr | None) -> str | None:
    """Take a secret out of its wrapping, to hand it to the adapter that needs it."""
    return None if secret is None else secret.get_secret_value()


def auto_provisions(settings: Settings) -> bool:
    """Whether the API creates topics and buckets."""
    wanted = settings.broker.auto_provision
    return settings.broker.provider is BrokerProvider.SQLITE if wanted is None else wanted


def uses_path_style(settings: Settings) -> bool:
    """Whether S3 requests name the bucket in the path; other servers than Amazon's want it."""
    wanted = settings.storage.force_path_style
    return settings.storage.endpoint is not None if wanted is None else wanted


def handler_configs(settings: Settings) -> Mapping[str, HandlerConfig]:
    """Return the section of each job type."""
    return {
        name: HandlerConfig(
            handler=section.handler,
            proxy_pool=pool_name(section.proxy_pool) if section.proxy_pool else None,
            storage_bucket=section.storage_bucket,
            key_prefix=section.key_prefix,
            default_headers=section.default_headers,
            options=section.options,
        )
        for name, section in settings.handlers.items()
    }


def proxy_pools(settings: Settings) -> Mapping[str, ProxyPool]:
    """Return the pools by name."""
    return {
        name: ProxyPool(
            name=name,
            primary=section.primary,
            fallbacks=tuple(map(pool_name, section.fallbacks)),
            retry_backoff_ms=section.retry_backoff_ms,
            max_retries=section.max_retries,
        )
        for name, section in settings.proxy.pools.items()
    }


def buckets(settings: Settings) -> tuple[str, ...]:
    """Return every bucket that is configured, the default one first."""
    named = (section.storage_bucket for section in settings.handlers.values())
    return tuple(dict.fromkeys([settings.storage.bucket, *filter(None, named)]))


def topics(settings: Settings) -> tuple[TopicSpec, ...]:
    """Return the topics to create."""
    kept = settings.retention
    return topic_specs(
        tasks_days=kept.tasks_ttl_days,
        status_days=kept.status_ttl_days,
        logs_days=kept.logs_ttl_days,
        dlq_days=kept.dlq_ttl_days,
    )


def retention(settings: Settings) -> Retention:
    """Return what pruning the ledger removes."""
    kept = settings.retention
    return Retention(
        job_ttl_ms=kept.job_ttl_days * DAY_MS,
        idempotency_ttl_ms=kept.idempotency_ttl_days * DAY_MS,
        max_bytes=kept.ledger_max_bytes,
    )


def publish_retry(settings: Settings) -> RetryPolicy:
    """Return how often a publish, or the write of a manifest, is tried."""
    iggy = settings.iggy
    return RetryPolicy(
        max_attempts=iggy.max_retries, base_ms=iggy.base_backoff_ms, cap_ms=iggy.max_backoff_ms
    )


def intake_policy(settings: Settings) -> IntakePolicy:
    """Return the settings of intake."""
    server = settings.server
    return IntakePolicy(
        bucket=settings.storage.bucket,
        default_prefix=settings.storage.default_prefix,
        limits=ManifestLimits(
            max_resources=server.max_resources_per_manifest,
            max_headers=server.max_headers_per_resource,
            max_header_value_bytes=server.max_header_value_bytes,
        ),
        retry=publish_retry(settings),
        idempotency_ttl_ms=settings.retention.idempotency_ttl_days * DAY_MS,
        pools=frozenset(settings.proxy.pools),
    )


def _window(settings: Settings) -> int:
    """Read ahead enough to keep the slots full, and past one whole job that waits for its cap."""
    window = READ_AHEAD * settings.worker.max_inflight_tasks
    if any(each.max_parallel_downloads for each in handler_configs(settings).values()):
        window += settings.server.max_resources_per_manifest
    return window


def worker_policy(settings: Settings, worker_id: str) -> WorkerPolicy:
    """Return the settings of a worker."""
    worker = settings.worker
    return WorkerPolicy(
        worker_id=worker_id,
        bucket=settings.storage.bucket,
        multipart_threshold_bytes=settings.storage.multipart_threshold,
        publish_retry=publish_retry(settings),
        default_prefix=settings.storage.default_prefix,
        max_inflight=worker.max_inflight_tasks,
        window=settings.iggy.batch_size or _window(settings),
        download_retry_limit=worker.download_retry_limit,
        storage_retry_limit=worker.storage_retry_limit,
        retry_backoff_ms=worker.retry_backoff_ms,
        max_backoff_ms=worker.max_backoff_ms,
        failover_order=worker.proxy_failover_order,
        status_flush_interval_ms=worker.status_flush_interval_ms,
        shutdown_timeout_ms=worker.shutdown_timeout_ms,
        max_resource_bytes=worker.max_resource_bytes,
    )
