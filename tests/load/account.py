"""Whether anything is lost: every accepted job by the ledger and by the bucket, after the run.

accepted = stored + failed, each object where and as large as it should be; SHA-256 of all or some.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from tests.load.tally import Accepted, Tally
from tests.load.verdict import Account

#: Breaches that are listed one by one; the others are counted.
SHOWN: Final = 20
TERMINAL: Final = frozenset({"completed", "failed"})

Snapshot = Mapping[str, Any]


class Bucket(Protocol):
    """Objects of the jobs of this run."""

    def sizes(self, prefix: str) -> Mapping[str, int]:
        """Return the size of every object below a prefix, by what follows the prefix."""
        ...

    def digest(self, key: str) -> str:
        """Return the SHA-256 of an object."""
        ...


@dataclass(kw_only=True)
class Auditor:
    """Goes through all jobs."""

    bucket: Bucket
    #: Plain and proxied, as the jobs were sent.
    job_types: tuple[str, str]
    #: SHA-256 of the body of each size.
    digests: Mapping[int, str]
    #: How many objects are read; the others are held to their size.
    sample: int
    breaches: list[str] = field(default_factory=list)
    objects: int = 0
    digested: int = 0
    unexpected: int = 0

    def audit(self, tally: Tally, snapshots: Mapping[str, Snapshot]) -> Account:
        """Compare what was accepted with ledger and bucket."""
        for stranger in sorted(set(snapshots) - set(tally.jobs)):
            self._breach(f"job {stranger} is in the ledger, but no answer ever named it", tally)
        found = self._found(tally)
        for job_id, job in tally.jobs.items():
            for breach in self._job(job_id, job, snapshots.get(job_id), found.get(job_id, {})):
                self.breaches.append(breach)
        self.breaches += self._content(tally, found)
        rest = len(self.breaches) - SHOWN
        shown = self.breaches[:SHOWN] + ([f"and {rest} more"] if rest > 0 else [])
        return Account(
            breaches=shown,
            jobs=len(tally.jobs),
            stored=_sum(tally, snapshots, "resource_completed"),
            failed=_sum(tally, snapshots, "resource_failed"),
            objects=self.objects,
            digested=self.digested,
            unexpected=self.unexpected,
        )

    def _breach(self, text: str, tally: Tally) -> None:
        """Note a job nobody answered for; where answers went missing, that is to be expected."""
        if not tally.problems:
            self.breaches.append(text)

    def _found(self, tally: Tally) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for job_type in sorted(set(self.job_types)):
            for rest, size in self.bucket.sizes(f"resources/{job_type}/").items():
                job_id, _, resource_id = rest.partition("/")
                if job_id in tally.jobs:
                    found.setdefault(job_id, {})[resource_id] = size
                    self.objects += 1
        return found

    def _job(
        self, job_id: str, job: Accepted, shown: Snapshot | None, objects: Mapping[str, int]
    ) -> Iterator[str]:
        if shown is None:
            yield f"job {job_id} was accepted, and the ledger does not know it"
            return
        total, stored = shown["resource_total"], shown["resource_completed"]
        if shown["status"] not in TERMINAL:
            yield f"job {job_id} has not ended: {shown['status']}, {stored} of {total} stored"
        elif total != stored + shown["resource_failed"] or total != len(job.order.wanted):
            yield (
                f"job {job_id}: {len(job.order.wanted)} accepted, but {stored} stored +"
                f" {shown['resource_failed']} failed"
            )
        if len(objects) != stored:
            yield f"job {job_id}: {stored} stored by the ledger, {len(objects)} objects"
        yield from self._objects(job_id, job, objects)

    def _objects(self, job_id: str, job: Accepted, objects: Mapping[str, int]) -> Iterator[str]:
        should = {str(n): each for n, each in enumerate(job.order.wanted)}
        for stray in sorted(set(objects) - set(should)):
            yield f"job {job_id}: stray object {stray}"
        for resource_id, wanted in should.items():
            size = objects.get(resource_id)
            self.unexpected += bool(wanted.fault) == (size is not None)
            if size is not None and not wanted.fault and size != wanted.size:
                yield f"job {job_id}: object {resource_id} has {size} bytes, not {wanted.size}"

    def _content(self, tally: Tally, found: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
        places = [(job_id, name) for job_id, names in found.items() for name in names]
        chance = random.Random(len(places))  # noqa: S311  # a sample, no secret
        for job_id, name in chance.sample(places, min(self.sample, len(places))):
            order = tally.jobs[job_id].order
            if not name.isdigit() or int(name) >= len(order.wanted):
                continue
            key = f"resources/{self.job_types[order.is_proxied]}/{job_id}/{name}"
            self.digested += 1
            if self.bucket.digest(key) != self.digests.get(order.wanted[int(name)].size):
                yield f"{key} does not have the bytes that the upstream served"


def _sum(tally: Tally, snapshots: Mapping[str, Snapshot], field: str) -> int:
    return sum(int(shown[field]) for job_id, shown in snapshots.items() if job_id in tally.jobs)


def updated_ms(snapshots: Mapping[str, Snapshot], tally: Tally) -> dict[str, float]:
    """Return when each job of the run that has ended was reported on last."""
    return {
        job_id: datetime.fromisoformat(shown["updated_at"]).timestamp() * 1e3
        for job_id, shown in snapshots.items()
        if job_id in tally.jobs and shown["status"] in TERMINAL
    }
