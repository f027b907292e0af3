"""One job's story on one clock, merged from everything that saw it. Pure: no I/O.

Seven hops lead from a manifest to a settled delivery. The first one that is missing, or out of
order, is where to look.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final


class Hop(StrEnum):
    """The way of a resource, in order; `accepted` and `published` are the job's."""

    ACCEPTED = "accepted"
    PUBLISHED = "published"
    CLAIMED = "claimed"
    REQUESTED = "requested"
    STORED = "stored"
    REPORTED = "reported"
    SETTLED = "settled"


OF_JOB: Final = frozenset({Hop.ACCEPTED, Hop.PUBLISHED})
#: What a resource that was given up on may have missed: its proxy refused, its body never came.
OF_SUCCESS: Final = frozenset({Hop.REQUESTED, Hop.STORED})
#: Witnesses stamp at different moments of one event, and S3 in whole seconds.
TOLERANCE_MS: Final = 1_100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Somebody saw something of the job. `hop` None: worth showing, but no hop."""

    at_ms: float
    source: str
    text: str
    hop: Hop | None = None
    resource_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What is known of one job.

    Attributes:
        resources: what should have gone all the way.
        failed: those that were given up on; they need not be requested or stored.
        unobserved: hops that nobody could see, so that not having seen them says nothing.
        exempt: resources that need not be seen at a hop.

    """

    job_id: str
    sightings: Sequence[Sighting]
    resources: AbstractSet[str] = frozenset()
    failed: AbstractSet[str] = frozenset()
    unobserved: AbstractSet[Hop] = frozenset()
    exempt: Mapping[Hop, AbstractSet[str]] = field(default_factory=dict)

    @property
    def divergence(self) -> str | None:
        """Say which hop is the first that is missing or out of order, or None."""
        return self._missing() or self._disordered()

    @property
    def diverging(self) -> Hop | None:
        """The hop that the divergence is about."""
        divergence = self.divergence
        return Hop(divergence.partition(":")[0]) if divergence else None

    def _missing(self) -> str | None:
        seen: dict[Hop, set[str]] = {hop: set() for hop in Hop}
        for sighting in self.sightings:
            if sighting.hop is not None:
                seen[sighting.hop].add(sighting.resource_id)
        for hop in (each for each in Hop if each not in self.unobserved):
            lacking = sorted(self._expected(hop) - seen[hop])
            if hop in OF_JOB or not self.resources:
                if not seen[hop]:
                    return f"{hop}: never seen"
            elif lacking:
                return f"{hop}: never seen for {_listed(lacking)} of {len(self.resources)}"
        return None

    def _expected(self, hop: Hop) -> AbstractSet[str]:
        excused = self.exempt.get(hop, frozenset())
        if hop in OF_SUCCESS:
            excused = excused | self.failed
        return self.resources - excused

    def _disordered(self) -> str | None:
        first: dict[Hop, Sighting] = {}
        for sighting in sorted(self.sightings, key=lambda each: each.at_ms):
            if sighting.hop is not None:
                first.setdefault(sighting.hop, sighting)
        hops = [hop for hop in Hop if hop in first]
        for earlier, later in pairwise(hops):
            ahead_ms = first[earlier].at_ms - first[later].at_ms
            if ahead_ms > TOLERANCE_MS:
                return f"{later}: first seen {ahead_ms:.0f} ms before {earlier}"
        return None

    def lines(self) -> list[str]:
        """Show it as text: time, delta to the line before, hop, source, what was seen."""
        shown, before = [], None
        for sighting in sorted(self.sightings, key=lambda each: each.at_ms):
            delta = 0.0 if before is None else sighting.at_ms - before
            before = sighting.at_ms
            hop = sighting.hop or ""
            shown.append(
                f"{clock(sighting.at_ms)} {delta:+8.0f} ms  {hop:10} {sighting.source:12}"
                f" {sighting.resource_id:16} {sighting.text}".rstrip()
            )
        divergence = self.divergence
        shown.append(f"first divergence: {divergence}" if divergence else "no divergence")
        return shown


def clock(at_ms: float) -> str:
    """Show a moment as UTC time of day with milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]


def _listed(names: Sequence[str], most: int = 3) -> str:
    rest = len(names) - most
    shown = ", ".join(names[:most])
    return f"{shown} and {rest} more" if rest > 0 else shown


def merge(*streams: Iterable[Sighting]) -> list[Sighting]:
    """Bring several witnesses on one clock."""
    return sorted((each for stream in streams for each in stream), key=lambda each: each.at_ms)
