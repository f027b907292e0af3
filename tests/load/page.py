"""report.html of a load: one file that opens anywhere, made from load.json alone."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from tests.load.figures import figures
from tests.load.words import Document, milliseconds, reading

STYLES: Final = (
    Path(__file__).parents[2] / "runner" / "report.css",
    Path(__file__).with_name("report.css"),
)
_KIND: Final = {"PASS": "passed", "FAIL": "failed", "INVALID": "invalid"}
#: Steps of the path as the table and the charts name them.
STEPS: Final = {
    "accept": "accept: planned instant to 202",
    "first_byte": "first byte: 202 to first byte from the upstream",
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
            figures(document),
            "</div>",
            _latencies(document),
            _facts(document),
            "</main></html>",
        ]
    )


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
    }
    body = "".join(f"<tr><td><b>{name}</b><td>{escape(text)}" for name, text in rows.items())
    return f"<h2>Facts</h2><div class=card><table>{body}</table></div>"
