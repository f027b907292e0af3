"""Curves as SVG that stands alone: no script, no style sheet, its own background."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from tests.load.bench.bars import INK, OURS, QUIET, WEAK
from tests.load.charts import Axis, linear, logarithmic, shown

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 48, 48
COLOURS: Final = (OURS, WEAK, "#059669", "#d97706")


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line and its name."""

    name: str
    points: Sequence[tuple[float, float]]


def line_chart(
    title: str, curves: Sequence[Curve], *, across: str, is_logarithmic: bool = False
) -> str:
    """Return the figure; the upward axis begins at zero."""
    xs = sorted({x for curve in curves for x, _ in curve.points})
    up = linear(max(y for curve in curves for _, y in curve.points) * 1.05, "")
    along = logarithmic(xs[0], xs[-1], across) if is_logarithmic else _steps(xs, across)
    parts = [
        *(_rule(up, value, text) for value, text in up.ticks),
        *(_tick(along, x) for x in xs),
        *(_curve(each, along, up, COLOURS[n % 4]) for n, each in enumerate(curves)),
        *(_name(each.name, n) for n, each in enumerate(curves)),
        _text(LEFT, HEIGHT - 12, across, QUIET),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="system-ui, sans-serif" font-size="13">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#ffffff"/>\n'
        f'<text x="14" y="25" font-size="15" font-weight="600" fill="{INK}">{escape(title)}</text>'
        f"\n{''.join(parts)}</svg>\n"
    )


def _steps(xs: Sequence[float], title: str) -> Axis:
    return Axis(low=xs[0], high=xs[-1], ticks=[(x, shown(x)) for x in xs], title=title)


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM)


def _rule(axis: Axis, value: float, text: str) -> str:
    y = _y(axis, value)
    line = f'<path d="M{LEFT} {y:.1f} H{WIDTH - RIGHT}" stroke="#e5e7eb"/>'
    return line + _text(LEFT - 8, y + 4, text, QUIET, anchor="end")


def _tick(axis: Axis, value: float) -> str:
    return _text(_x(axis, value), HEIGHT - BOTTOM + 18, f"{value:,.0f}", QUIET, anchor="middle")


def _curve(curve: Curve, across: Axis, up: Axis, colour: str) -> str:
    places = [(_x(across, x), _y(up, y)) for x, y in curve.points]
    path = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}\n'


def _name(name: str, number: int) -> str:
    y = TOP + 18 * number
    x, colour = WIDTH - RIGHT + 14, COLOURS[number % 4]
    mark = f'<rect x="{x}" y="{y}" width="12" height="4" fill="{colour}"/>'
    return mark + _text(WIDTH - RIGHT + 32, y + 6, name, INK)


def _text(x: float, y: float, text: str, colour: str, *, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}">{escape(text)}</text>\n'
