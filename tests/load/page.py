"""report.html of a load: one file that opens anywhere, made from load.json alone."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import log10
from pathlib import Path
from typing import Any, Final

from tests.load.charts import Axis, Line, chart, linear, logarithmic
from tests.load.histogram import Histogram
from tests.load.words import Document, milliseconds, queue_of, reading

STYLES: Final = (
    Path(__file__).parents[2] / "runner" / "report.css",
    Path(__file__).with_name("report.css"),
)
_KIND: Final = {"PASS": "passed", "FAIL": "failed", "INVALID": "invalid"}
#: Steps of the path as the table and the charts name them.
STEPS: Final = {
    "accept": "accept: planned instant to 202",
    "queued": "queued: 202 to claim by a worker",
    "fetched": "fetched: claim to stored object",
    "stored": "stored: 202 to stored object",
    "completed": "completed: 202 to last report about the job",
    "whole": "whole: planned instant to last report",
}
#: Columns of the table, and how many values it takes before they mean anything.
_NEEDED: Final = {
    "p50_ms": 1, "p90_ms": 10, "p95_ms": 20, "p99_ms": 100, "p99.9_ms": 1000, "p99.99_ms": 10_000,
    "max_ms": 1,
}  # fmt: skip
_TICKS: Final = (0, 50, 90, 99, 99.9, 99.99)


def page(document: Document) -> str:
    """Return the whole report."""
    style = "".join(path.read_text(encoding="utf-8") for path in STYLES)
    verdict = document["verdict"]
    return "".join(
        [
            (
                "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport"
                f" content='width=device-width'><title>FetchBox load: {verdict}</title>"
                f"<style>{style}</style>"
            ),
            _head(document),
            "<main><h2>In plain words</h2><div class='card words'>",
            *(_sentence(line) for line in reading(document)[1:]),
            "</div><div class=two>",
            _figure("Latency by percentile", by_percentile(document), _HINTS["percentile"]),
            _figure("Accept latency over time", over_time(document), _HINTS["time"]),
            _figure("Throughput", throughput(document), _HINTS["throughput"]),
            _figure("Queue", queue(document), _HINTS["queue"]),
            _figure("CPU", cpu(document), _HINTS["cpu"]),
            _figure("Memory", memory(document), _HINTS["memory"]),
            "</div>",
            _latencies(document),
            _facts(document),
            "</main></html>",
        ]
    )


_HINTS: Final = {
    "percentile": "Flat, then a gentle rise is good. A cliff means that few waited for something"
    " that most did not meet: a lock, a retry, a stall.",
    "time": "Level is good. A saw-tooth is a regular stall; a slope means that something fills up.",
    "throughput": "Ended has to follow due. A gap between them is work that piles up.",
    "queue": "Waves that come back to zero are good. A slope that does not end says that more comes"
    " in than the workers carry away.",
    "cpu": "Workers near the number of their processes, or API near 1: that is the limit. The"
    " generator has to stay below 0.8.",
    "memory": "Level after a minute is good. A slope over a long run is a leak.",
}


def _head(document: Document) -> str:
    verdict = document["verdict"]
    accept = document["latencies"]["accept"]
    about = " &middot; ".join(
        escape(text)
        for text in (
            f"{document['stack']} stack",
            f"{document['broker']} broker",
            document["begun"],
            *(f"{key} {value}" for key, value in document["machine"].items()),
        )
    )
    return (
        f"<header class='verdict {_KIND[verdict]}'><div><h1>{verdict}: accept p50"
        f" {milliseconds(accept['p50_ms'])}, p99 {milliseconds(accept['p99_ms'])} at"
        f" {document['manifests']['planned']} manifests</h1><p>{escape(reading(document)[0])}</p>"
        f"<p>{about}</p></div></header>"
    )


def _sentence(line: str) -> str:
    kind = " class=reason" if line.startswith("- ") else ""
    return f"<p{kind}>{escape(line.removeprefix('- '))}</p>"


def _figure(title: str, picture: str, hint: str) -> str:
    return (
        f"<section><h2>{title}</h2><div class=card>{picture}<p class=facts>{hint}</p></div>"
        "</section>"
    )


def by_percentile(document: Document) -> str:
    """Draw the steps against the share that was faster; nines have equal room."""
    lines, low, high = [], 1e9, 0.0
    for name in ("accept", "stored", "whole"):
        made = Histogram.from_json(document["histograms"][name])
        points = list(_curve(made))
        lines.append(Line(name=name, points=points))
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
        Line(name="queue lag", points=points),
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


def _latencies(document: Document) -> str:
    head = "".join(f"<th class=n>{name.removesuffix('_ms')}" for name in _NEEDED)
    rows = []
    for name, label in STEPS.items():
        made: Mapping[str, Any] = document["latencies"][name]
        times = "".join(
            f"<td class=n>{milliseconds(made[each]) if made['count'] >= count else '&ndash;'}"
            for each, count in _NEEDED.items()
        )
        rows.append(f"<tr><td>{label}<td class=n>{made['count']}{times}")
    return (
        f"<h2>Latencies</h2><div class=card><table><tr><th>step<th class=n>count{head}"
        f"{''.join(rows)}</table></div>"
    )


def _mix(sizes: Sequence[tuple[int, float]]) -> str:
    whole = sum(weight for _, weight in sizes)
    return " + ".join(f"{size:,} B ({weight / whole:.0%})" for size, weight in sizes)


def _facts(document: Document) -> str:
    upstream, generator = document["upstream"], document["generator"]
    rows = {
        "upstream": f"{upstream['name']}: at least {upstream['ceiling_requests_per_s']:.0f}"
        f" requests/s, {upstream['ceiling_bytes_per_s'] / 1e6:.0f} MB/s measured;"
        f" {upstream['planned_peak_per_s']:g} requests/s planned at the peak",
        "generator": f"left late by p99 {milliseconds(generator['lateness']['p99_ms'])}, woke up"
        f" late by p99 {milliseconds(generator['loop_lag']['p99_ms'])}",
        "workload": f"{document['workload']['resources']} resources per manifest, sizes"
        f" {_mix(document['workload']['sizes'])}, {document['workload']['proxied']:.0%} proxied,"
        f" {document['workload']['errors']:.0%} errors, seed {document['workload']['seed']}",
        "to first byte": "not measured: workers do not tell it per resource",
        "store, broker, proxies": "CPU and memory not measured: only the engine could tell",
    }
    body = "".join(f"<tr><td><b>{name}</b><td>{escape(text)}" for name, text in rows.items())
    return f"<h2>Facts</h2><div class=card><table>{body}</table></div>"
