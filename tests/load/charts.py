"""Line charts as SVG: no script, no font of their own, colours from the page's style sheet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Final

WIDTH, HEIGHT = 600, 240
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 34
#: Steps between ticks, times a power of ten.
_STEPS: Final = (1, 2, 2.5, 5, 10)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line; points whose value is None are gaps."""

    name: str
    points: Sequence[tuple[float, float | None]]

    @property
    def label(self) -> str:
        """The name, and that there is nothing to draw."""
        is_known = any(y is not None for _, y in self.points)
        return self.name if is_known else f"{self.name} (not measured)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """How values become places: given bounds, ticks, and the words beside them."""

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    scale: Callable[[float], float] = float
    title: str = ""

    def share(self, value: float) -> float:
        """Return where on the axis a value lies, from 0 to 1."""
        low, high = self.scale(self.low), self.scale(self.high)
        return (self.scale(value) - low) / ((high - low) or 1)


def linear(high: float, title: str, *, count: int = 5) -> Axis:
    """Return an axis from zero to at least `high`, with round ticks."""
    top = high if high > 0 else 1.0
    power = 10 ** floor(log10(top / count))
    step = next(each * power for each in _STEPS if each * power * count >= top)
    ticks = [number * step for number in range(ceil(top / step) + 1)]
    return Axis(low=0, high=ticks[-1], ticks=[(each, shown(each)) for each in ticks], title=title)


def logarithmic(low: float, high: float, title: str) -> Axis:
    """Return an axis over whole powers of ten."""
    first, last = floor(log10(max(low, 1e-3))), ceil(log10(max(high, 1e-2)))
    last = max(last, first + 1)
    ticks = [(10.0**power, shown(10.0**power)) for power in range(first, last + 1)]
    return Axis(low=ticks[0][0], high=ticks[-1][0], ticks=ticks, scale=_log, title=title)


def _log(value: float) -> float:
    return log10(max(value, 1e-9))


def shown(value: float) -> str:
    """Write a tick."""
    if value >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def chart(lines: Sequence[Line], across: Axis, up: Axis, *, marks: bool = False) -> str:
    """Return the figure: grid, lines, and a legend that names each line with its last value."""
    body = "".join(
        [
            *(_rule(up, value, text) for value, text in up.ticks),
            *(_tick(across, value, text) for value, text in across.ticks),
            *(_line(number, each, across, up, marks=marks) for number, each in enumerate(lines)),
            f"<text class=axis x={LEFT} y={TOP - 3}>{escape(up.title)}</text>",
            (
                f"<text class=axis x={WIDTH - RIGHT} y={HEIGHT - 4} text-anchor=end>"
                f"{escape(across.title)}</text>"
            ),
        ]
    )
    legend = "".join(
        f"<span class=l{number}>{escape(each.label)}</span>" for number, each in enumerate(lines)
    )
    return (
        f"<div class=legend>{legend}</div><svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img>{body}</svg>"
    )


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM)


def _rule(axis: Axis, value: float, text: str) -> str:
    y = f"{_y(axis, value):.1f}"
    return (
        f"<line class=grid x1={LEFT} x2={WIDTH - RIGHT} y1={y} y2={y} />"
        f"<text x={LEFT - 6} y={y} dy=4 text-anchor=end>{escape(text)}</text>"
    )


def _tick(axis: Axis, value: float, text: str) -> str:
    x = f"{_x(axis, value):.1f}"
    return f"<text x={x} y={HEIGHT - BOTTOM + 14} text-anchor=middle>{escape(text)}</text>"


def _line(number: int, line: Line, across: Axis, up: Axis, *, marks: bool) -> str:
    parts, pen = [], "M"
    dots = []
    marks = marks or len(line.points) == 1  # a path of one point cannot be seen
    for x, y in line.points:
        if y is None:
            pen = "M"
            continue
        place = (_x(across, x), _y(up, min(max(y, up.low), up.high)))
        parts.append(f"{pen}{place[0]:.1f} {place[1]:.1f}")
        pen = "L"
        if marks:
            dots.append(
                f"<circle cx={place[0]:.1f} cy={place[1]:.1f} r=2.6><title>{escape(line.name)}"
                f" {y:.4g}</title></circle>"
            )
    return f"<g class=l{number}><path d='{' '.join(parts)}' />{''.join(dots)}</g>"
