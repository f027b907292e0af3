"""The names, kinds and labels of contract 3.1; the job_type labels are those tests compare by."""

import pytest
from prometheus_client.metrics import MetricWrapperBase

from fetchbox.telemetry.metrics import BUCKETS, Metrics

METRICS = {
    "fetchbox_api_requests_total": ("counter", {"status", "route"}),
    "fetchbox_ingest_jobs_total": ("counter", {"result", "job_type"}),
    "fetchbox_ingest_bytes_total": ("counter", set()),
    "fetchbox_ingest_duration_seconds": ("histogram", set()),
    "fetchbox_operator_requests_total": ("counter", set()),
    "fetchbox_worker_tasks_inflight": ("gauge", set()),
    "fetchbox_worker_download_latency_seconds": ("histogram", set()),
    "fetchbox_worker_download_failures_total": ("counter", {"code", "job_type"}),
    "fetchbox_worker_storage_failures_total": ("counter", {"code", "job_type"}),
    "fetchbox_worker_dlq_total": ("counter", {"job_type"}),
    "fetchbox_proxy_failures_total": ("counter", {"pool", "job_type"}),
    "fetchbox_ledger_pruned_jobs_total": ("counter", set()),
    "service_ready": ("gauge", {"service"}),
    "fetchbox_worker_download_bytes_total": ("counter", {"job_type"}),
    "fetchbox_worker_tasks_total": ("counter", {"result", "job_type"}),
    "fetchbox_ledger_jobs": ("gauge", set()),
    "fetchbox_ledger_size_bytes": ("gauge", set()),
    "fetchbox_publish_failures_total": ("counter", {"stream"}),
}


def registered() -> dict[str, tuple[str, set[str]]]:
    own = [each for each in vars(Metrics()).values() if isinstance(each, MetricWrapperBase)]
    return {
        each._name + ("_total" if each._type == "counter" else ""): (
            str(each._type),
            set(each._labelnames),
        )
        for each in own
    }


@pytest.mark.parametrize("name", list(METRICS))
def test_a_metric_is_there(name: str) -> None:
    assert registered()[name] == METRICS[name]


def test_there_is_no_other() -> None:
    assert set(registered()) == set(METRICS)


def test_buckets_reach_from_5_ms_to_a_minute() -> None:
    assert (BUCKETS[0], BUCKETS[-1]) == (0.005, 60.0)
    assert list(BUCKETS) == sorted(BUCKETS)


def test_the_process_is_measured_too() -> None:
    assert Metrics().registry.get_sample_value("process_open_fds") is not None


def test_two_processes_in_one_do_not_mix() -> None:
    one, other = Metrics(), Metrics()
    one.operator_requests.inc()
    assert other.registry.get_sample_value("fetchbox_operator_requests_total") == 0
