"""What has become of every manifest and resource of a run, and how long each step took.

Times are milliseconds of the wall clock; only differences of the generator's own clock are finer.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.load.histogram import Histogram
from tests.load.plan import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the API said; `problem` is empty when it took the job."""

    job_id: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A worker told that a resource is stored or given up."""

    job_id: str
    resource_id: str
    at_ms: int
    is_stored: bool
    #: From claim to end, 0 = not told.
    duration_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstByte:
    """The upstream told that the body of a resource begins to leave."""

    #: Of the order.
    number: int
    resource_id: str
    at_ms: float


@dataclass(slots=True, kw_only=True)
class Accepted:
    """A job of this run; resource n of the order has the id `n`."""

    order: Order
    planned_ms: float
    accepted_ms: float
    ended: set[str] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Latencies:
    """The steps of the path, each from its own begin."""

    #: From the planned instant to the 202.
    accept: Histogram = field(default_factory=Histogram)
    #: From the 202 to the claim by a worker.
    queued: Histogram = field(default_factory=Histogram)
    #: From the 202 to the first byte that left the upstream; empty where nobody notes it.
    first_byte: Histogram = field(default_factory=Histogram)
    #: From the claim to the stored object.
    fetched: Histogram = field(default_factory=Histogram)
    #: From the 202 to the stored object.
    stored: Histogram = field(default_factory=Histogram)
    #: From the 202 to the last report about the job.
    completed: Histogram = field(default_factory=Histogram)
    #: From the planned instant to the last report: what a client waits for.
    whole: Histogram = field(default_factory=Histogram)

    def all(self) -> dict[str, Histogram]:
        """Return them by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of one run while it runs."""

    late_s: float
    planned: int = 0
    sent: int = 0
    late: int = 0
    answered: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    jobs: dict[str, Accepted] = field(default_factory=dict)
    accepted_resources: int = 0
    stored: int = 0
    failed: int = 0
    retries: int = 0
    #: The same end told again: at least once is what the broker promises.
    repeats: int = 0
    first_end_ms: int = 0
    last_end_ms: int = 0
    latencies: Latencies = field(default_factory=Latencies)
    lateness: Histogram = field(default_factory=Histogram)
    loop_lag: Histogram = field(default_factory=Histogram)
    #: Accept latency by the second in which the manifest was due.
    by_second: defaultdict[int, Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    #: When first bytes of an order left, by the id of its resource: a repeat is no first byte.
    _begun: defaultdict[int, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    _accepted_ms: dict[int, float] = field(default_factory=dict)
    _early: defaultdict[str, list[Ended]] = field(default_factory=lambda: defaultdict(list))

    def departed(self, lateness_s: float) -> None:
        """Count a manifest that is on its way, and whether the generator was late."""
        self.sent += 1
        self.lateness.record(lateness_s)
        self.late += lateness_s > self.late_s

    def arrived(self, order: Order, planned_ms: float, latency_s: float, answer: Answer) -> None:
        """Count an answer; refused ones have a latency too."""
        self.answered += 1
        self.latencies.accept.record(latency_s)
        self.by_second[int(order.at_s)].record(latency_s)
        if answer.problem:
            self.problems[answer.problem] += 1
            return
        self.accepted_resources += len(order.wanted)
        accepted_ms = planned_ms + latency_s * 1e3
        self.jobs[answer.job_id] = Accepted(
            order=order, planned_ms=planned_ms, accepted_ms=accepted_ms
        )
        self._accepted_ms[order.number] = accepted_ms
        for at_ms in self._begun[order.number].values():
            self.latencies.first_byte.record((at_ms - accepted_ms) / 1e3)
        for ended in self._early.pop(answer.job_id, ()):
            self.took(ended)

    def began(self, first: FirstByte) -> None:
        """Time the first byte of a resource; like its end, it may come before the answer."""
        begun = self._begun[first.number]
        if first.resource_id in begun:
            return
        begun[first.resource_id] = first.at_ms
        accepted_ms = self._accepted_ms.get(first.number)
        if accepted_ms is not None:
            self.latencies.first_byte.record((first.at_ms - accepted_ms) / 1e3)

    def took(self, ended: Ended) -> None:
        """Count the end of a resource; a worker may be faster than the answer to the client."""
        job = self.jobs.get(ended.job_id)
        if job is None:
            self._early[ended.job_id].append(ended)
            return
        if ended.resource_id in job.ended:
            self.repeats += 1
            return
        job.ended.add(ended.resource_id)
        self.first_end_ms = min(self.first_end_ms or ended.at_ms, ended.at_ms)
        self.last_end_ms = max(self.last_end_ms, ended.at_ms)
        if not ended.is_stored:
            self.failed += 1
            return
        self.stored += 1
        self._time_stored(job, ended)

    def _time_stored(self, job: Accepted, ended: Ended) -> None:
        after_s = (ended.at_ms - job.accepted_ms) / 1e3
        self.latencies.stored.record(after_s)
        if ended.duration_ms:
            self.latencies.fetched.record(ended.duration_ms / 1e3)
            self.latencies.queued.record(after_s - ended.duration_ms / 1e3)

    def completed(self, updated_ms: Mapping[str, float]) -> None:
        """Count when jobs had their last report, as the ledger tells after the run."""
        for job_id, at_ms in updated_ms.items():
            job = self.jobs[job_id]
            self.latencies.completed.record((at_ms - job.accepted_ms) / 1e3)
            self.latencies.whole.record((at_ms - job.planned_ms) / 1e3)

    @property
    def unsent(self) -> int:
        """Manifests that were due and never left."""
        return self.planned - self.sent

    @property
    def open(self) -> int:
        """Requests that wait for their answer."""
        return self.sent - self.answered

    @property
    def backlog(self) -> int:
        """Resources that were accepted and have not ended."""
        return self.accepted_resources - self.stored - self.failed
