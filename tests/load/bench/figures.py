"""The charts of docs/benchmarks.md that show goals side by side."""

from collections.abc import Mapping, Sequence
from typing import Final

from tests.load.bench.bars import OURS, THEIRS, WEAK, Bar, bar_chart
from tests.load.bench.outcome import worse_end
from tests.load.bench.score import Score
from tests.load.bench.setup import PLANES

#: Goals whose arms all copy the same list, and can so be shown on one scale.
SAME_LIST: Final = ("G1", "G3", "G4", "G5")


def shared_charts(scores: Sequence[Score]) -> Mapping[str, str]:
    """Return the figures by name: how far each goal is, speed by plane, CPU on plane N."""
    same = [each for each in scores if each.goal in SAME_LIST and each.unit == "/s"]
    charts = {"goals": _goals([each for each in scores if each.target])}
    for plane, words in PLANES.items():
        if found := [each for each in same if each.plane == plane]:
            charts[f"speed-{plane}"] = _speeds(f"Objects per second, {words}", found)
    if found := [each for each in same if each.plane == "N" and each.cpu_us]:
        charts["cpu-N"] = _cpu(found)
    return charts


def _goals(scores: Sequence[Score]) -> str:
    bars = [
        Bar(
            label=_label(each, scores),
            value=_share(each, each.ratio),
            whisker=_share(each, worse_end(each)),
            text=f"{each.ratio:.3g}, {'≤' if each.better == 'lower' else '≥'} {each.target:g}",
            colour=OURS if each.met else WEAK,
        )
        for each in scores
    ]
    title = "Every ratio and its target, the dashed line; the whisker ends where it is judged"
    return bar_chart(title, bars, line=1.0)


def _label(score: Score, scores: Sequence[Score]) -> str:
    """Name a score, by what only it was measured with where others have the same name."""
    alike = [each for each in scores if _name(each) == _name(score)]
    shared = set.intersection(*(set(each.workload.split(", ")) for each in alike))
    own = [part for part in score.workload.split(", ") if part not in shared]
    return ", ".join([_name(score), *own])[:42]


def _name(score: Score) -> str:
    ours = "" if score.arm == "fetchbox" else f"{score.arm}, "
    return f"{score.goal} {score.plane} {ours}{score.against}"


def _share(score: Score, value: float) -> float:
    """Return how far a ratio is: 1 at its target, at most 2 so that one does not dwarf the rest."""
    target = score.target or 1.0
    share = value / target if score.better == "higher" else target / (value or target / 2)
    return min(share, 2.0)


def _speeds(title: str, scores: Sequence[Score]) -> str:
    ours = {f"{each.arm}, {each.goal}'s rounds": each.ours for each in scores}
    theirs = {each.against: each.reference for each in reversed(scores)}
    bars = [
        Bar(label=name, value=value, text=f"{value:,.0f}", colour=colour)
        for speeds, colour in ((ours, OURS), (theirs, THEIRS))
        for name, value in speeds.items()
    ]
    return bar_chart(title, sorted(bars, key=lambda bar: -bar.value))


def _cpu(scores: Sequence[Score]) -> str:
    used: dict[str, float] = {}
    for each in scores:
        for arm in (each.arm, each.against):
            name = f"{arm}, {each.goal}'s rounds" if arm == each.arm else arm
            parts = [cpu for role, cpu in each.cpu_us.items() if role.startswith(arm)]
            used.setdefault(name, sum(parts))
    bars = [
        Bar(
            label=name,
            value=cpu,
            text=f"{cpu:,.0f}",
            colour=OURS if name.startswith("fetchbox") else THEIRS,
        )
        for name, cpu in sorted(used.items(), key=lambda item: item[1])
    ]
    return bar_chart("CPU microseconds per object, null S3 sink: the tool's own processes", bars)
