"""What a load run looks at, made up: the service, the broker, the machine and the upstream."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from fetchbox.wire import jobs_pb2 as pb
from runner.host import Host
from tests.fakes.load_api import FakeLoadApi
from tests.fakes.virtual_loop import virtual_loop
from tests.load.events import EventsAwayError
from tests.load.meters import Reading, Senses
from tests.load.surroundings import Use
from tests.load.tally import FirstByte

TENANT = "load-test"
WALL_MS = 1_700_000_000_000.0


def wall_ms() -> float:
    """Return a wall clock that goes as the loop does."""
    return WALL_MS + virtual_loop().now * 1e3


@dataclass(kw_only=True)
class FakeSenses:
    """The levers are fields."""

    api: FakeLoadApi
    cpu_pressure: float = 5.0
    upstream_s: float | None = 0.001
    #: CPU this process uses, in cores.
    own_cores: float = 0.1
    #: How long after it was sent a resource is stored.
    stored_after_s: float = 0.2
    #: Resources the workers can end in a second, 0 = any number.
    per_s: float = 0.0
    #: Workers are stopped until then, in seconds of the loop.
    stopped_until_s: float = 0.0
    is_away: bool = False
    #: The service takes so long to answer the look that begins in this second.
    slow_look: tuple[float, float] = (0.0, 0.0)
    #: How long before its end the first byte of a resource leaves; None = nobody notes it.
    first_byte_before_s: float | None = 0.05
    #: What surrounds the service needs.
    uses: dict[str, Use] = field(default_factory=dict)
    _told: int = 0

    def senses(self) -> Senses:
        """Return them as a run takes them."""
        return Senses(
            meter=_Meter(self),
            events=_Events(self),
            host=lambda: Host(cpu_pressure=self.cpu_pressure),
            own_cpu_s=lambda: virtual_loop().now * self.own_cores,
            ask_upstream=self._ask_upstream,
            first_bytes=self._first_bytes,
            surroundings=[self],
            tenant=TENANT,
        )

    async def _ask_upstream(self) -> float | None:
        await asyncio.sleep(self.upstream_s or 0)
        return self.upstream_s

    def read(self) -> Mapping[str, Use]:
        """See `Surroundings`."""
        return self.uses

    async def _first_bytes(self) -> Sequence[FirstByte] | None:
        before_s = self.first_byte_before_s
        if before_s is None:
            return None
        new = self.ended()[self._told :]
        self._told += len(new)
        return [
            FirstByte(
                number=int(job_id.removeprefix("job-")),
                resource_id=str(n),
                at_ms=WALL_MS + (end_s - before_s) * 1e3,
            )
            for job_id, n, end_s, event in new
            if event == "task.completed"
        ]

    def ended(self) -> list[tuple[str, int, float, str]]:
        """Return job, resource, time and event of all that has ended by now."""
        now, free_s = virtual_loop().now, self.stopped_until_s
        ended: list[tuple[str, int, float, str]] = []
        for at_s, order in self.api.seen:
            for n, each in enumerate(order.wanted):
                end_s = max(at_s + self.stored_after_s, free_s)
                if end_s > now:
                    return ended
                free_s = end_s + (1 / self.per_s if self.per_s else 0)
                event = "task.failed" if each.fault else "task.completed"
                ended.append((f"job-{order.number}", n, end_s, event))
        return ended


@dataclass(frozen=True)
class _Meter:
    """Counters that follow from what was sent."""

    senses: FakeSenses

    async def read(self) -> Reading:
        if self.senses.is_away:
            return Reading()
        second, seconds = self.senses.slow_look
        if second <= virtual_loop().time() < second + 1:
            await asyncio.sleep(seconds)
        nothing = Reading(**{each.name: 0.0 for each in fields(Reading)})
        now = virtual_loop().now
        return replace(nothing, ended=len(self.senses.ended()), api_cpu_s=now * 0.3)


@dataclass
class _Events:
    """Every end once, when its time has come."""

    senses: FakeSenses
    told: int = 0

    async def skip(self) -> None:
        """Nothing is there before the run."""

    async def read(self) -> Sequence[bytes]:
        if self.senses.is_away:
            raise EventsAwayError
        ended = self.senses.ended()
        new, self.told = ended[self.told :], len(ended)
        return [_event(*each) for each in new]

    async def lag(self, topic: str, group: str) -> int:
        """Tell of the workers' group; the ledger is never behind."""
        if (topic, group) != ("jobs.tasks", "workers"):
            return 0
        sent = sum(len(order.wanted) for _, order in self.senses.api.seen)
        return sent - len(self.senses.ended())


def _event(job_id: str, resource: int, at_s: float, event: str) -> bytes:
    return pb.JobLog(
        job_id=job_id,
        resource_id=str(resource),
        timestamp_ms=round(WALL_MS + at_s * 1e3),
        fields={"event": event, "tenant": TENANT, "duration_ms": "20"},
    ).SerializeToString()
