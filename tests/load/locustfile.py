"""The workload of `make load` for several machines, with Locust: its distribution, its web page.

Still an open model: each generator sends every n-th order of the one schedule at its planned
instant, and latency begins there. Verdict and account are those of `make load` only.
"""

import shlex
import time
import uuid
from argparse import ArgumentParser
from typing import Any, Final

import gevent
import requests
from gevent.pool import Group
from locust import User, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import WorkerRunner

from tests.load.arguments import Wishes, read_wishes
from tests.load.plan import Order
from tests.load.service import TIMEOUT_S, answer_of, headers_of, manifest_of
from tests.load.tally import Answer
from tests.load.upstream import Upstream

DONE: Final = "generator-done"


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # untyped there
def add_options(parser: ArgumentParser) -> None:
    """Add options; Locust hands those of the master to every worker."""
    add = parser.add_argument
    add("--load", default="", help="as for make load: 'RATE=10 DURATION=30 UPSTREAM=http://...'")
    add("--generators", type=int, default=1, help="how many workers share the schedule")
    add("--run-id", default=f"locust-{uuid.uuid4().hex[:8]}", help="tenant of the run's jobs")


@events.init.add_listener  # type: ignore[untyped-decorator]  # untyped there
def listen(environment: Environment, **_: Any) -> None:
    """End the run when every generator has sent its share."""
    runner = environment.runner
    if runner is None or isinstance(runner, WorkerRunner):
        return
    done: list[int] = []

    def end() -> None:
        runner.stop()  # workers then tell the statistics of their last seconds
        runner.quit()

    def count(environment: Environment, msg: Any, **_: Any) -> None:
        done.append(msg.data["sent"])
        assert environment.parsed_options is not None
        if len(done) == environment.parsed_options.generators:
            print(f"{sum(done)} manifests were sent by {len(done)} generators")
            gevent.spawn(end)

    runner.register_message(DONE, count)


class Generator(User):
    """One share of the schedule. There has to be one per worker: `--users` = `--generators`."""

    @task
    def send(self) -> None:
        """Send the share, and say so."""
        options = self.environment.parsed_options
        assert options is not None
        variables = dict(word.split("=", 1) for word in shlex.split(options.load))
        wishes = read_wishes([], variables)
        if not wishes.upstream:
            msg = "--load needs UPSTREAM=http://..., an origin the workers of FetchBox can reach"
            raise ValueError(msg)
        index = getattr(self.environment.runner, "worker_index", 0)
        orders = (o for o in wishes.workload.orders() if o.number % options.generators == index)
        sent, flying, begun = 0, Group(), time.monotonic()
        share = _Share(self.environment, str(self.host), wishes, options.run_id)
        for order in orders:
            gevent.sleep(max(begun + order.at_s - time.monotonic(), 0))
            flying.spawn(share.send, order, begun + order.at_s)
            sent += 1
        flying.join()
        assert self.environment.runner is not None
        self.environment.runner.send_message(DONE, {"sent": sent})
        raise StopUser


class _Share:
    """Sends, and tells Locust how long it took from the planned instant."""

    def __init__(self, environment: Environment, host: str, wishes: Wishes, run_id: str) -> None:
        self._environment = environment
        self._url = f"{host.rstrip('/')}/jobs"
        self._wishes = wishes
        self._run_id = run_id
        self._upstream = Upstream(name="given", base=wishes.upstream)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=256))

    def send(self, order: Order, due: float) -> None:
        body = manifest_of(order, self._run_id, self._upstream)
        answer = self._submit(order, body)
        self._environment.events.request.fire(  # type: ignore[no-untyped-call]  # untyped there
            request_type="POST",
            name="/jobs",
            response_time=(time.monotonic() - due) * 1e3,
            response_length=len(body),
            exception=RuntimeError(answer.problem) if answer.problem else None,
            context={},
        )

    def _submit(self, order: Order, body: bytes) -> Answer:
        headers = headers_of(order, self._run_id, self._wishes.job_types)
        try:
            response = self._session.post(self._url, data=body, headers=headers, timeout=TIMEOUT_S)
            return answer_of(response.status_code, response.json())
        except (requests.RequestException, ValueError) as error:
            return Answer(problem=type(error).__name__)
