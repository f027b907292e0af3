"""One image: its subcommand makes it API or worker, and workers of any number share the work."""

from collections import Counter
from urllib.parse import urlsplit

import pytest
import requests

from tests.common.context import TestContext
from tests.common.supervisor import Supervised

pytestmark = pytest.mark.needs_compose

JOBS = 24


def answers(url: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, timeout=3).ok
        except requests.ConnectionError:
            return False


def test_the_subcommand_decides_the_role(context: TestContext) -> None:
    """Both have metrics; only the API takes jobs."""
    addresses = context.stack.addresses
    assert answers(f"{addresses.api}/health/live")
    assert all(answers(f"{url}/metrics") for url in addresses.api_metrics)
    for url in addresses.worker_metrics:
        assert answers(f"{url}/metrics")
        assert not answers(f"http://{urlsplit(url).hostname}:8080/health/live")


def test_every_worker_takes_its_share(context: TestContext, workers: list[Supervised]) -> None:
    assert len(workers) >= 2
    url = context.serve("a")
    jobs = [context.run({"a": url})[0] for _ in range(JOBS)]

    done = Counter(
        line["fields"]["worker_id"] for job in jobs for line in context.log_lines(job.job_id)
    )
    assert len(done) == len(workers), f"{len(workers)} workers, of whom these worked: {done}"
