"""What stands behind the routes in their tests: intake, dead letters, and services of both."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fetchbox.api.app import ApiOptions, ApiServices
from fetchbox.intake.accept import Receipt, Submission
from fetchbox.ledger.port import Ledger
from fetchbox.model.dead_letters import DeadLetterEntry, ReplayReport, WantedDeadLetters
from fetchbox.telemetry.metrics import Metrics
from tests.fakes.broker import FakeBroker

JOB_ID = "0198c1c5-3c1e-7d0a-9f6b-2f6f3b1c9a10"
RECEIPT = Receipt(
    job_id=JOB_ID,
    manifest_key=f"s3://b/{JOB_ID}",
    resource_count=3,
    tenant="resolved",
    is_repeat=False,
)


@dataclass
class FakeIntake:
    """Levers: `receipt`, `fail_next`. For asserts: `submissions`."""

    receipt: Receipt = RECEIPT
    submissions: list[Submission] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def fail_next(self, error: BaseException) -> None:
        self.failures.append(error)

    def forget(self) -> None:
        self.receipt = RECEIPT
        self.submissions.clear()

    async def accept(self, submission: Submission, /) -> Receipt:
        self.submissions.append(submission)
        if self.failures:
            raise self.failures.pop(0)
        return self.receipt


@dataclass
class FakeDeadLetters:
    """Lever: `entries`. For asserts: `asked`."""

    entries: list[DeadLetterEntry] = field(default_factory=list)
    asked: list[tuple[WantedDeadLetters, int]] = field(default_factory=list)

    async def find(self, wanted: WantedDeadLetters, *, limit: int) -> Sequence[DeadLetterEntry]:
        self.asked.append((wanted, limit))
        return self.entries

    async def replay(self, wanted: WantedDeadLetters, *, limit: int) -> ReplayReport:
        self.asked.append((wanted, limit))
        return ReplayReport(replayed=len(self.entries), skipped=0, entries=self.entries)


async def prune_nothing() -> int:
    return 0


def make_services(ledger: Ledger, **changes: Any) -> ApiServices:
    """Services over `ledger` that work; name what shall differ."""
    services = ApiServices(
        intake=FakeIntake(),
        job_types={"default", "gallery"},
        ledger=ledger,
        broker=FakeBroker(),
        dead_letters=FakeDeadLetters(),
        prune=prune_nothing,
        probes={},
        metrics=Metrics(),
        clock=lambda: 1_755_595_800_000,
    )
    return replace(services, **changes)


def make_options(**changes: Any) -> ApiOptions:
    """Options of a small API on loopback; name what shall differ."""
    options = ApiOptions(
        operator_token=None,
        max_body_bytes=65_536,
        request_timeout_ms=5_000,
        version="1.2.3",
        is_loopback=True,
    )
    return replace(options, **changes)
