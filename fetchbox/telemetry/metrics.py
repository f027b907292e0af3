"""Every metric FetchBox exposes, by name (contract 3.1).

One Metrics per process, handed to rooms.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The counters, gauges and histograms of one process, in a registry of their own."""

    def __init__(self) -> None:
        """Register every metric once."""
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        def seconds(name: str, text: str) -> Histogram:
            return Histogram(name, text, buckets=BUCKETS, registry=registry)

        self.api_requests = counter(
            "fetchbox_api_requests_total", "HTTP requests by route template", "status", "route"
        )
        self.ingest_jobs = counter(
            "fetchbox_ingest_jobs_total", "Submissions by result", "result", "job_type"
        )
        self.ingest_bytes = counter("fetchbox_ingest_bytes_total", "Decompressed manifest bytes")
        self.ingest_duration = seconds("fetchbox_ingest_duration_seconds", "POST /jobs wall time")
        self.operator_requests = counter(
            "fetchbox_operator_requests_total", "Requests under /operators"
        )
        self.tasks_inflight = gauge("fetchbox_worker_tasks_inflight", "Tasks being processed")
        self.tasks = counter(
            "fetchbox_worker_tasks_total", "Tasks ended, by result", "result", "job_type"
        )
        self.download_latency = seconds(
            "fetchbox_worker_download_latency_seconds",
            "One successful download, first to last byte",
        )
        self.download_bytes = counter(
            "fetchbox_worker_download_bytes_total", "Bytes downloaded", "job_type"
        )
        self.download_failures = counter(
            "fetchbox_worker_download_failures_total",
            "Failed download attempts",
            "code",
            "job_type",
        )
        self.storage_failures = counter(
            "fetchbox_worker_storage_failures_total", "Failed upload attempts", "code", "job_type"
        )
        self.dead_letters = counter(
            "fetchbox_worker_dlq_total", "Dead letters published", "job_type"
        )
        self.proxy_failures = counter(
            "fetchbox_proxy_failures_total", "Failed attempts through a pool", "pool", "job_type"
        )
        self.publish_failures = counter(
            "fetchbox_publish_failures_total", "Publishes given up on", "stream"
        )
        self.ledger_pruned = counter("fetchbox_ledger_pruned_jobs_total", "Jobs removed by pruning")
        self.ledger_jobs = gauge("fetchbox_ledger_jobs", "Jobs in the ledger")
        self.ledger_size = gauge("fetchbox_ledger_size_bytes", "Size of the ledger on disk")
        self.ready = gauge("service_ready", "1 when dependencies are healthy", "service")
