"""A whole run, on a loop whose clock jumps."""

from dataclasses import dataclass, field

import pytest

from tests.fakes.load_api import FakeLoadApi
from tests.fakes.load_senses import FakeSenses, wall_ms
from tests.fakes.virtual_loop import run_virtually
from tests.load.course import Course, Runner
from tests.load.meters import Sample
from tests.load.plan import Workload, sizes_of, stages_of
from tests.load.result import Result, machine
from tests.load.upstream import Ceiling
from tests.load.verdict import Account, Evidence, Judgement, Limits, judge


@dataclass(kw_only=True)
class LoadRun:
    """The parts of a run that tests change, and its judgement."""

    api: FakeLoadApi = field(default_factory=FakeLoadApi)
    senses: FakeSenses = field(init=False)
    workload: Workload = field(
        default_factory=lambda: Workload(
            stages=stages_of("50x10", 1, 1), resources=2, sizes=sizes_of("20kB")
        )
    )
    ceiling: Ceiling = field(default_factory=lambda: Ceiling(requests_per_s=2000, bytes_per_s=1e9))
    account: Account = field(default_factory=Account)
    drain_s: float = 30
    shown: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        """The senses see what the API got."""
        self.senses = FakeSenses(api=self.api)

    def runner(self) -> Runner:
        """Return the run before it is run."""
        return Runner(
            workload=self.workload,
            api=self.api,
            senses=self.senses.senses(),
            late_s=Limits.read().valid.late_ms / 1e3,
            now_ms=wall_ms,
            drain_s=self.drain_s,
            show=lambda sample, _: self.shown.append(sample),
        )

    def course(self) -> Course:
        """Run it."""
        return run_virtually(self.runner().run())

    def result(self, course: Course) -> Result:
        """Return what is left of a run; every job had its last report 300 ms after its 202."""
        jobs = course.tally.jobs.items()
        course.tally.completed({job_id: job.accepted_ms + 300 for job_id, job in jobs})
        return Result(
            begun="2026-01-02T03:04:05.678Z",
            stack="embedded",
            broker="sqlite",
            upstream="static",
            workload=self.workload,
            limits=Limits.read(),
            course=course,
            ceiling=self.ceiling,
            account=self.account,
            machine=machine(),
        )

    def evidence(self) -> Evidence:
        """Run it, and return what the verdict rests on."""
        course = self.course()
        return Evidence(
            workload=self.workload,
            tally=course.tally,
            samples=course.sending,
            ceiling=self.ceiling,
            account=self.account,
        )

    def judgement(self) -> Judgement:
        """Run and judge it, by the limits that are shipped."""
        return judge(self.evidence(), Limits.read())


@pytest.fixture
def run() -> LoadRun:
    return LoadRun()
