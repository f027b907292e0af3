"""The charts of a load report, each with how to read it; made from load.json alone."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from math import log10
from typing import Final

from tests.load.charts import Axis, Line, chart, linear, logarithmic
from tests.load.histogram import Histogram
from tests.load.surroundings import NAMES
from tests.load.words import Document, queue_of

_TICKS: Final = (0, 50, 90, 99, 99.9, 99.99)
_CURVES: Final = {
    "accept": "accept",
    "first_byte": "first byte",
    "stored": "stored",
    "whole": "whole",
}


def figures(document: Document) -> str:
    """Return all of them."""
    return "".join(_figure(title, draw(document), hint) for title, draw, hint in _FIGURES)


def _figure(title: str, picture: str, hint: str) -> str:
    return (
        f"<section><h2>{escape(title)}</h2><div class=card>{picture}"
        f"<p class=facts>{escape(hint)}</p></div></section>"
    )


def by_percentile(document: Document) -> str:
    """Draw the steps against the share that was faster; nines have equal room."""
    lines, low, high = [], 1e9, 0.0
    for name, label in _CURVES.items():
        made = Histogram.from_json(document["histograms"][name])
        points = list(_curve(made))
        lines.append(Line(name=label, points=points))
        low = min([low, *([made.percentile(2) * 1e3] if made.count else [])])
        high = max([high, *(y for _, y in points)])
    top = max((x for line in lines for x, _ in line.points), default=1.0)
    ticks = [(_nines(each), f"p{each:g}") for each in _TICKS if _nines(each) <= top + 0.01]
    across = Axis(low=0, high=max(top, 1.0), ticks=ticks, title="percentile")
    return chart(lines, across, logarithmic(max(min(low, high), 0.1), high, "ms"))


def _nines(percent: float) -> float:
    return -log10(1 - percent / 100)


def _curve(made: Histogram) -> Iterator[tuple[float, float]]:
    """Yield a point per bucket, up to the last value that is one of many."""
    seen = 0
    for bucket, count in made.buckets():
        seen += count
        share = min((seen - count / 2) / made.count, 1 - 0.5 / made.count)
        below = Histogram(counts={bucket: 1}, count=1, max=made.max)
        yield _nines(share * 100), max(below.percentile(100) * 1e3, 1e-3)


def over_time(document: Document) -> str:
    """Draw accept latency by the second in which manifests were due."""
    seconds = document["seconds_of_accept"]
    lines = [
        Line(name=name, points=[(int(second), made[key]) for second, made in seconds.items()])
        for name, key in (("p50", "p50_ms"), ("p99", "p99_ms"), ("slowest", "max_ms"))
    ]
    return _timed(lines, "ms", marks=len(seconds) <= 60)


def _samples(document: Document, name: str, field: str, unit: float = 1) -> Line:
    points = [
        (sample["at_s"], None if sample[field] is None else sample[field] / unit)
        for sample in document["samples"]
    ]
    return Line(name=name, points=points)


def throughput(document: Document) -> str:
    """Draw what was due and what ended."""
    per_job = document["workload"]["resources"]
    due = [(each["at_s"], each["sent_per_s"] * per_job) for each in document["samples"]]
    lines = [
        Line(name="due, resources/s", points=due),
        _samples(document, "ended, resources/s", "ended_per_s"),
    ]
    return _timed(lines, "per second")


def queue(document: Document) -> str:
    """Draw what waits, and what is being worked on."""
    points = [(each["at_s"], queue_of(each)) for each in document["samples"]]
    lines = [
        Line(name="queue lag: tasks", points=points),
        _samples(document, "reports the ledger has not seen", "reports_lag"),
        _samples(document, "in flight", "in_flight"),
        _samples(document, "requests without answer", "open"),
    ]
    return _timed(lines, "tasks")


def cpu(document: Document) -> str:
    """Draw the cores in use."""
    lines = [
        _samples(document, "workers", "worker_cpu"),
        _samples(document, "API", "api_cpu"),
        _samples(document, "generator", "generator_cpu"),
        _samples(document, "machine's CPU pressure / 100", "cpu_pressure", 100),
    ]
    return _timed(lines, "cores")


def memory(document: Document) -> str:
    """Draw resident memory."""
    lines = [
        _samples(document, "workers", "worker_rss_bytes", 1e6),
        _samples(document, "API", "api_rss_bytes", 1e6),
    ]
    return _timed(lines, "MB")


def cpu_around(document: Document) -> str:
    """Draw the cores that the surroundings use."""
    lines = [_samples(document, name, f"{part}_cpu") for part, name in NAMES.items()]
    return _timed(lines, "cores")


def memory_around(document: Document) -> str:
    """Draw the resident memory of the surroundings."""
    lines = [_samples(document, name, f"{part}_rss_bytes", 1e6) for part, name in NAMES.items()]
    return _timed(lines, "MB")


def _timed(lines: Sequence[Line], title: str, *, marks: bool = False) -> str:
    values = [y for line in lines for _, y in line.points if y is not None]
    if not values:
        return "<p class=facts>not measured</p>"
    end_s = max(x for line in lines for x, _ in line.points)
    across = linear(end_s, "s")
    return chart(
        lines,
        Axis(
            low=0, high=max(end_s, 1), ticks=[t for t in across.ticks if t[0] <= end_s], title="s"
        ),
        linear(max(values), title),
        marks=marks,
    )


#: Title, picture, and what good and bad look like.
_FIGURES: Final[Sequence[tuple[str, Callable[[Document], str], str]]] = (
    (
        "Latency by percentile",
        by_percentile,
        (
            "Flat, then a gentle rise is good. A cliff means that few waited for something"
            " that most did not meet: a lock, a retry, a stall."
        ),
    ),
    (
        "Accept latency over time",
        over_time,
        "Level is good. A saw-tooth is a regular stall; a slope means that something fills up.",
    ),
    (
        "Throughput",
        throughput,
        "Ended has to follow due. A gap between them is work that piles up.",
    ),
    (
        "Queue",
        queue,
        (
            "Waves that come back to zero are good. A slope that does not end says that more comes"
            " in than the workers carry away."
        ),
    ),
    (
        "CPU of the service",
        cpu,
        (
            "Workers near the number of their processes, or API near 1: that is the limit. The"
            " generator has to stay below 0.8."
        ),
    ),
    (
        "Memory of the service",
        memory,
        "Level after a minute is good. A slope over a long run is a leak.",
    ),
    (
        "CPU around it",
        cpu_around,
        (
            "Well below what each can use is good. Upstream, proxies and relays can use one"
            " core: from 0.8 on they are the limit, not the service."
        ),
    ),
    (
        "Memory around it",
        memory_around,
        "A store or broker that keeps its files in memory (tmpfs) grows with them.",
    ),
)
