"""Horizontal bars as SVG that stands alone: no script, no style sheet, its own background."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 760
LABEL: Final = 310
ROW: Final = 24
TOP: Final = 44
RIGHT: Final = 150
OURS, THEIRS, WEAK, INK, QUIET = "#2563eb", "#9ca3af", "#dc2626", "#1f2937", "#6b7280"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: its value, the words behind it, and where its interval ends."""

    label: str
    value: float
    text: str
    colour: str = THEIRS
    whisker: float | None = None


def bar_chart(title: str, bars: Sequence[Bar], *, line: float | None = None) -> str:
    """Return the figure; `line` is where a vertical one is drawn across all bars."""
    high = max([*(bar.value for bar in bars), line or 0, 1e-9]) * 1.02
    scale = (WIDTH - LABEL - RIGHT) / high
    bottom = TOP + ROW * len(bars)
    rows = [_row(bar, TOP + ROW * number, scale) for number, bar in enumerate(bars)]
    rule = "" if line is None else _rule(LABEL + line * scale, bottom)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 12}"'
        ' font-family="system-ui, sans-serif" font-size="13">\n'
        f'<rect width="{WIDTH}" height="{bottom + 12}" rx="6" fill="#ffffff"/>\n'
        f'<text x="14" y="25" font-size="15" font-weight="600" fill="{INK}">{escape(title)}</text>'
        f"\n{rule}{''.join(rows)}</svg>\n"
    )


def _row(bar: Bar, y: int, scale: float) -> str:
    end, middle = LABEL + bar.value * scale, y + ROW / 2
    whisker = (
        ""
        if bar.whisker is None
        else f'<path d="M{LABEL + bar.whisker * scale:.1f} {middle} H{end:.1f}" stroke="{INK}"'
        ' stroke-width="1.5"/>'
    )
    return (
        f'<text x="{LABEL - 8}" y="{middle + 4.5}" text-anchor="end" fill="{INK}">'
        f"{escape(bar.label)}</text>"
        f'<rect x="{LABEL}" y="{y + 4}" width="{max(bar.value * scale, 1):.1f}"'
        f' height="{ROW - 8}" rx="2" fill="{bar.colour}"/>{whisker}'
        f'<text x="{end + 6:.1f}" y="{middle + 4.5}" fill="{QUIET}" stroke="#ffffff"'
        f' stroke-width="4" paint-order="stroke">{escape(bar.text)}</text>\n'
    )


def _rule(x: float, bottom: int) -> str:
    return f'<path d="M{x:.1f} {TOP - 6} V{bottom}" stroke="{INK}" stroke-dasharray="4 3"/>\n'
