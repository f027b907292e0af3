"""A job's timeline as HTML: seven stations, then every sighting, the first divergence marked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from runner.timeline import Hop, Sighting, Timeline, clock

#: Rows shown around the divergence, at the beginning and at the end, where a story is long.
NEAR: Final = 12
EDGE: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line of the table."""

    cells: str
    kind: str


def story(job: Timeline, *, is_whole: bool = False) -> str:
    """Return the HTML of one job; a long story is cut unless it is wanted whole."""
    rows = list(_rows(job))
    shown = rows if is_whole else list(_cut(rows))
    return "".join(
        [
            f"<p class=job>Job <code>{escape(job.job_id)}</code></p>",
            _rail(job),
            "<table class=story><tr><th>time<th class=n>after<th>hop<th>seen by<th>resource<th>",
            *(f"<tr class={row.kind}>{row.cells}" for row in shown),
            "</table>",
        ]
    )


def _rail(job: Timeline) -> str:
    first: dict[Hop, float] = {}
    for each in job.sightings:
        if each.hop is not None:
            first[each.hop] = min(each.at_ms, first.get(each.hop, each.at_ms))
    begun = min(first.values(), default=0.0)
    stations = []
    for hop in Hop:
        when = f"+{first[hop] - begun:.0f} ms" if hop in first else "&nbsp;"
        stations.append(f"<li class={_state(job, hop, hop in first)}>{hop}<small>{when}</small>")
    return f"<ul class=rail>{''.join(stations)}</ul>"


def _state(job: Timeline, hop: Hop, is_seen: bool) -> str:  # noqa: FBT001  # one of three facts
    if hop is job.diverging:
        return "missing"
    if hop in job.unobserved:
        return "unseen"
    return "seen" if is_seen else "later"


def _rows(job: Timeline) -> Iterator[_Row]:
    """Yield all lines; one that is missing stands where it should have been."""
    seen = sorted(job.sightings, key=lambda each: each.at_ms)
    divergence, hop = job.divergence, job.diverging
    is_missing = divergence is not None and "never seen" in divergence
    place = _place(seen, hop) if is_missing else -1
    before: Sighting | None = None
    for number, each in enumerate(seen):
        if number == place:
            yield _gap(divergence or "")
        yield _seen(each, before, diverges=not is_missing and hop is not None and each.hop is hop)
        before = each
    if place == len(seen):
        yield _gap(divergence or "")


def _place(seen: Sequence[Sighting], missing: Hop | None) -> int:
    """Return the row before which a missing hop belongs: after the last of an earlier hop."""
    order = list(Hop)
    last = 0
    for number, each in enumerate(seen, 1):
        if each.hop and missing and order.index(each.hop) <= order.index(missing):
            last = number
    return last


def _seen(each: Sighting, before: Sighting | None, *, diverges: bool) -> _Row:
    after = f"{each.at_ms - before.at_ms:+.0f} ms" if before else ""
    cells = (
        f"<td class=mono>{clock(each.at_ms)}<td class=n>{after}<td class=hop>{each.hop or ''}"
        f"<td>{escape(each.source)}<td>{escape(each.resource_id)}"
        f"<td class=says>{escape(each.text[:600])}"
    )
    return _Row(cells=cells, kind="diverges" if diverges else "hit" if each.hop else "aside")


def _gap(divergence: str) -> _Row:
    hop, _, what = divergence.partition(": ")
    cells = f"<td>&mdash;<td><td class=hop>{hop}<td colspan=3>first divergence: {escape(what)}"
    return _Row(cells=cells, kind="diverges")


def _cut(rows: Sequence[_Row]) -> Iterator[_Row]:
    """Yield what matters of a long story: its edges, and what is around the divergence."""
    middle = next((at for at, row in enumerate(rows) if row.kind == "diverges"), len(rows))
    dropped = 0
    for number, row in enumerate(rows):
        is_edge = number < EDGE or number >= len(rows) - EDGE
        if is_edge or abs(number - middle) <= NEAR:
            if dropped:
                yield _Row(cells=f"<td colspan=6>{dropped} more", kind="skipped")
                dropped = 0
            yield row
        else:
            dropped += 1
