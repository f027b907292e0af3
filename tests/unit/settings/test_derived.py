"""Sections as rooms take them."""

from pathlib import Path

from fetchbox.fetch.rotation import FailoverOrder
from fetchbox.handlers.registry import BUILT_IN
from fetchbox.model.retry import RetryPolicy
from fetchbox.settings import derived
from fetchbox.settings.load import load_settings
from fetchbox.settings.settings import Settings

DAY_MS = 86_400_000


def load(tmp_path: Path, text: str = "") -> Settings:
    file = tmp_path / "fetchbox.toml"
    file.write_text(text.replace("'", '"'))
    return load_settings(file, {})


def test_built_in_handlers_arrive_as_they_are_defined(tmp_path: Path) -> None:
    assert derived.handler_configs(load(tmp_path)) == BUILT_IN


def test_references_lose_their_prefixes(tmp_path: Path) -> None:
    text = (
        "[handlers.x]\nproxy_pool = 'proxies/a'\n"
        "[proxy.pools.a]\nprimary = ['http://a:1']\nfallbacks = ['pools/b']\n"
        "[proxy.pools.b]\nprimary = ['http://b:1']\nmax_retries = 7\n"
    )
    settings = load(tmp_path, text)
    assert derived.handler_configs(settings)["x"].proxy_pool == "a"
    found = derived.proxy_pools(settings)
    assert found["a"].fallbacks == ("b",)
    assert (found["b"].name, found["b"].max_retries) == ("b", 7)


def test_every_configured_bucket_is_made_once_the_default_one_first(tmp_path: Path) -> None:
    text = (
        "[storage]\nbucket = 'main'\n[handlers.a]\nstorage_bucket = 'own'\n"
        "[handlers.b]\nstorage_bucket = 'main'\n"
    )
    assert derived.buckets(load(tmp_path, text)) == ("main", "fetchbox-gallery", "own")


def test_provisioning_is_the_api_s_with_sqlite_only_unless_said(tmp_path: Path) -> None:
    iggy = "[iggy]\nclient_secret = 's'\n[broker]\nprovider = 'iggy'\n"
    assert derived.auto_provisions(load(tmp_path))
    assert not derived.auto_provisions(load(tmp_path, iggy))
    assert derived.auto_provisions(load(tmp_path, f"{iggy}auto_provision = true\n"))
    assert not derived.auto_provisions(load(tmp_path, "[broker]\nauto_provision = false\n"))


def test_path_style_follows_the_endpoint_unless_said(tmp_path: Path) -> None:
    endpoint = "[storage]\nendpoint = 'http://minio:9000'\n"
    assert not derived.uses_path_style(load(tmp_path))
    assert derived.uses_path_style(load(tmp_path, endpoint))
    assert not derived.uses_path_style(load(tmp_path, f"{endpoint}force_path_style = false\n"))


def test_read_ahead_follows_the_tasks_in_flight_unless_said(tmp_path: Path) -> None:
    inflight = "[worker]\nmax_inflight_tasks = 10\n"
    assert derived.worker_policy(load(tmp_path, inflight), "w").window == 40
    said = load(tmp_path, f"{inflight}[iggy]\nbatch_size = 25\n")
    assert derived.worker_policy(said, "w").window == 25


def test_read_ahead_reaches_past_one_whole_capped_job(tmp_path: Path) -> None:
    capped = "[handlers.art.options]\nmax_parallel_downloads = 2\n"
    limit = "[server]\nmax_resources_per_manifest = 300\n"
    assert derived.worker_policy(load(tmp_path, capped), "w").window == 128 + 1000
    assert derived.worker_policy(load(tmp_path, capped + limit), "w").window == 128 + 300


def test_worker_takes_its_figures_from_its_section(tmp_path: Path) -> None:
    text = (
        "[worker]\ndownload_retry_limit = 4\nstorage_retry_limit = 5\nretry_backoff_ms = 6\n"
        "max_backoff_ms = 7\nproxy_failover_order = 'random'\nstatus_flush_interval_ms = 8\n"
        "shutdown_timeout_ms = 9\nmax_resource_bytes = '10KB'\n"
        "[storage]\nbucket = 'b'\nmultipart_threshold = 11\ndefault_prefix = 'p/'\n"
    )
    policy = derived.worker_policy(load(tmp_path, text), "w-1")
    assert policy.worker_id == "w-1"
    assert (policy.download_retry_limit, policy.storage_retry_limit) == (4, 5)
    assert (policy.retry_backoff_ms, policy.max_backoff_ms) == (6, 7)
    assert policy.failover_order is FailoverOrder.RANDOM
    assert (policy.status_flush_interval_ms, policy.shutdown_timeout_ms) == (8, 9)
    assert policy.max_resource_bytes == 10_240
    assert (policy.bucket, policy.multipart_threshold_bytes) == ("b", 11)
    assert policy.default_prefix == "p/"


def test_intake_takes_limits_retries_and_pools(tmp_path: Path) -> None:
    text = (
        "[server]\nmax_resources_per_manifest = 2\nmax_headers_per_resource = 3\n"
        "max_header_value_bytes = 4\n[retention]\nidempotency_ttl_days = 5\n"
        "[iggy]\nmax_retries = 6\nbase_backoff_ms = 7\nmax_backoff_ms = 8\n"
        "[proxy.pools.a]\nprimary = ['http://a:1']\n"
    )
    policy = derived.intake_policy(load(tmp_path, text))
    limits = policy.limits
    assert (limits.max_resources, limits.max_headers, limits.max_header_value_bytes) == (2, 3, 4)
    assert policy.idempotency_ttl_ms == 5 * DAY_MS
    assert policy.retry == RetryPolicy(max_attempts=6, base_ms=7, cap_ms=8)
    assert policy.pools == frozenset({"a"})


def test_retention_is_in_milliseconds(tmp_path: Path) -> None:
    text = "[retention]\njob_ttl_days = 2\nidempotency_ttl_days = 3\nledger_max_bytes = '1KB'\n"
    found = derived.retention(load(tmp_path, text))
    assert (found.job_ttl_ms, found.idempotency_ttl_ms) == (2 * DAY_MS, 3 * DAY_MS)
    assert found.max_bytes == 1024


def test_topics_keep_what_retention_says(tmp_path: Path) -> None:
    text = "[retention]\ntasks_ttl_days = 1\nstatus_ttl_days = 2\nlogs_ttl_days = 3\n"
    found = {
        spec.name: spec.retention_ms // DAY_MS for spec in derived.topics(load(tmp_path, text))
    }
    assert found == {"jobs.tasks": 1, "jobs.status": 2, "jobs.logs": 3, "jobs.dlq": 90}
