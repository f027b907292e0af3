"""docs/benchmarks.md: what stands between its two marks is written by the run, the rest by hand."""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.load.bench.figures import shared_charts
from tests.load.bench.goals import Goal, all_goals
from tests.load.bench.outcome import Outcome, verdict, worse_end
from tests.load.bench.score import Score

BEGIN: Final = "<!-- figures: written by `make bench`, changed by nobody else -->"
END: Final = "<!-- end of figures -->"
IMAGES: Final = "images/bench"


def publish(outcome: Outcome, document: Path) -> None:
    """Write the charts, and table and links into the document."""
    charts = {**shared_charts(outcome.goals), **dict(_own_charts(outcome, all_goals()))}
    folder = document.parent / IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for name, svg in charts.items():
        (folder / f"{name}.svg").write_text(svg)
    document.write_text(replaced(document.read_text(), block(outcome, charts)))


def replaced(text: str, figures: str) -> str:
    """Return the document with new figures; raises ValueError where its marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document lacks the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"


def block(outcome: Outcome, charts: Mapping[str, str]) -> str:
    """Return machine, table, what is absent, and the charts."""
    machine = "; ".join(f"{name} {text}" for name, text in outcome.machine.items() if text)
    parts = [
        f"Machine: {machine}. Stretch targets in brackets.",
        "\n".join(_table(outcome)),
        "\n".join(_cpu_table(outcome)),
    ]
    if outcome.absent:
        lines = [f"- {each.goal}: {each.what}" for each in outcome.absent]
        parts.append("\n".join(["Not measured:", "", *lines]))
    parts += [f"![{name}]({IMAGES}/{name}.svg)" for name in charts]
    return "\n\n".join(part for part in parts if part)


def _own_charts(outcome: Outcome, goals: Sequence[Goal]) -> Iterator[tuple[str, str]]:
    """Draw what goals add; one that cannot is told and does not take the document along."""
    for goal in goals:
        scores = [each for each in outcome.goals if each.goal == goal.name]
        try:
            charts = goal.charts(scores) if scores else {}
        except Exception:  # noqa: BLE001 - whatever it is, the figures are published still
            traceback.print_exc()
        else:
            yield from charts.items()


def _table(outcome: Outcome) -> Iterator[str]:
    yield "| goal | plane | workload | against | ours | reference | ratio, 95 % | target | |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for each in outcome.goals:
        notes = f"; {each.notes}" if each.notes else ""
        yield _row(
            each.goal,
            each.plane,
            f"{each.workload}{notes}",
            each.against,
            f"{figure(each.ours)} {each.unit}",
            f"{figure(each.reference)} {each.unit}",
            f"{each.ratio:.3g}, {'≤' if each.better == 'lower' else '≥'} {worse_end(each):.3g}",
            _target(each),
            verdict(each),
        )


def _cpu_table(outcome: Outcome) -> Iterator[str]:
    rows = [each for each in outcome.goals if each.cpu_us]
    if rows:
        yield "| goal | plane | CPU µs per resource | of the other |"
        yield "|---|---|---|---|"
    for each in rows:
        yield _row(each.goal, each.plane, _parts(each, each.arm), _parts(each, each.against))


def _parts(score: Score, arm: str) -> str:
    """Write what the roles of one arm used."""
    used = {role: cpu for role, cpu in score.cpu_us.items() if role.startswith(arm)}
    return ", ".join(f"{role.removeprefix(arm).strip() or arm} {used[role]:.0f}" for role in used)


def _target(score: Score) -> str:
    if score.target is None:
        return ""
    sign = "≤" if score.better == "lower" else "≥"
    stretch = "" if score.stretch is None else f" ({score.stretch:g})"
    return f"{sign} {score.target:g}{stretch}"


def figure(value: float) -> str:
    """Write a number with as many places as it bears."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
