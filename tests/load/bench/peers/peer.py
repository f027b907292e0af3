"""A peer: its name, what is told of it, and how it becomes an arm on this machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tests.load.bench.arms import Arm, Workload, on_fresh_ends, service_arm
from tests.load.bench.floor import AbsentError
from tests.load.bench.rounds import interleave, score_rounds
from tests.load.bench.score import Absence, Finding
from tests.load.bench.service import Run
from tests.load.bench.setup import Bench

#: Installs a peer; raises AbsentError where that is not possible.
Prepare = Callable[[Bench], Arm]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Something that does what FetchBox does."""

    name: str
    #: Versions and settings, as they are published.
    notes: str
    prepare: Prepare
    #: Target and stretch target of our ratio to it.
    targets: tuple[float, float]
    #: How many resources it gets: a slow one gets fewer, speeds are what is compared.
    count: int


def race(
    bench: Bench, goal: str, plane: str, load: Workload, peers: Sequence[Peer]
) -> list[Finding]:
    """Run FetchBox and the peers in turns; a peer that cannot be had is told as absent."""
    arms: dict[str, Callable[[], Run]] = {
        "fetchbox": partial(on_fresh_ends, bench, plane, load, service_arm)
    }
    absent: list[Absence] = []
    for peer in peers:
        share = replace(load, jobs=1, per_job=peer.count)
        try:
            arms[peer.name] = partial(on_fresh_ends, bench, plane, share, peer.prepare(bench))
        except AbsentError as error:
            absent.append(Absence(goal=goal, what=str(error)))
    there = [peer for peer in peers if peer.name in arms]
    if not there:
        return list(absent)
    rounds = interleave(arms, bench.rounds, f"{goal} {plane}")
    scores = [
        score_rounds(
            rounds,
            peer.name,
            goal=goal,
            workload=f"{load}{_shorter(peer, load)}",
            plane=plane,
            targets=peer.targets,
            notes=f"workers: {load.workers}; {peer.notes}",
        )
        for peer in there
    ]
    return [*scores, *absent]


def _shorter(peer: Peer, load: Workload) -> str:
    return "" if peer.count == load.count else f" ({peer.count:,} for the other)"
