"""The service's own metrics, added up over its processes."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.load.meters import HttpMeter, Reading, seconds_for_a_body
from tests.load.upstream import Upstream

WORKER = """# HELP fetchbox_worker_tasks_total tasks
fetchbox_worker_tasks_total{job_type="a",result="completed"} 7.0
fetchbox_worker_tasks_total{job_type="b",result="failed"} 1.0
fetchbox_worker_tasks_inflight 3.0
fetchbox_worker_download_bytes_total{job_type="a"} 2000.0
fetchbox_worker_download_latency_seconds_bucket{le="0.005"} 4.0
fetchbox_worker_download_failures_total{code="X",job_type="b"} 4.0
fetchbox_worker_dlq_total{job_type="b"} 1.0
process_cpu_seconds_total 1.5
process_resident_memory_bytes 1e+08
"""


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=WORKER)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_processes_are_added_up(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        reading = await HttpMeter(session=session, api=[url], workers=[url, url]).read()
    assert reading == Reading(
        ended=16,
        downloaded_bytes=4000,
        failed_attempts=8,
        dead_letters=2,
        in_flight=6,
        api_cpu_s=1.5,
        api_rss_bytes=1e8,
        worker_cpu_s=3,
        worker_rss_bytes=2e8,
    )


async def test_of_processes_that_do_not_answer_nothing_is_read(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        meter = HttpMeter(session=session, api=[url], workers=[url, f"{url}/nowhere"])
        assert await meter.read() == Reading(api_cpu_s=1.5, api_rss_bytes=1e8)


async def test_an_upstream_that_is_down_has_no_time() -> None:
    async with aiohttp.ClientSession() as session:
        upstream = Upstream(name="down", base="http://127.0.0.1:9")
        assert await seconds_for_a_body(session, upstream) is None
