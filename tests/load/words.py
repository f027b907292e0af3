"""The reading of a run: what its numbers say, in sentences. Made from load.json alone."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean, median
from typing import Any, Final

from tests.load.surroundings import NAMES

Document = Mapping[str, Any]

#: Resources by which a queue may be longer at the end than at the begin and still be level.
LEVEL: Final = 20
_OPENING: Final = {
    "PASS": "PASS: the service kept its promises, and nothing is lost.",
    "FAIL": "FAIL: the service lost something, or was worse than promised.",
    "INVALID": "INVALID: these numbers say nothing about the service, as something else was the"
    " limit.",
}


def reading(document: Document) -> list[str]:
    """Return the sentences, the verdict first."""
    reasons = document["reasons"]
    lines = [_OPENING[document["verdict"]]]
    lines += [f"- {each}" for key in ("breaches", "invalid", "missed") for each in reasons[key]]
    lines += [
        _sending(document),
        _accept(document),
        *_path(document),
        _throughput(document),
        *_resources(document),
        _account(document),
    ]
    return lines


def milliseconds(value: float) -> str:
    """Write a time as a person would."""
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def _sending(document: Document) -> str:
    manifests = document["manifests"]
    problems = manifests["problems"]
    refused = ", ".join(f"{count} x {what}" for what, count in problems.items())
    return (
        f"{manifests['planned']} manifests were due in {_span(document)};"
        f" {manifests['sent']} left, {manifests['late']} of them late;"
        f" {manifests['accepted']} were accepted{f', the others: {refused}' if refused else ''}."
    )


def _span(document: Document) -> str:
    stages = document["workload"]["stages"]
    seconds = sum(stage["seconds"] for stage in stages)
    rates = sorted({rate for stage in stages for rate in (stage["begin"], stage["end"])})
    shown = f"{rates[0]:g}" if len(rates) == 1 else f"{rates[0]:g} to {rates[-1]:g}"
    return f"{seconds:g} s at {shown} per second"


def _accept(document: Document) -> str:
    accept = document["latencies"]["accept"]
    return (
        f"Half of them had their answer within {milliseconds(accept['p50_ms'])} of the planned"
        f" instant, 99 of 100 within {milliseconds(accept['p99_ms'])}, the slowest in"
        f" {milliseconds(accept['max_ms'])}."
    )


def _path(document: Document) -> Iterator[str]:
    latencies = document["latencies"]
    stored, whole, first = (latencies[name] for name in ("stored", "whole", "first_byte"))
    if first["count"]:
        yield (
            f"From the answer to the first byte that the upstream sent it took"
            f" {milliseconds(first['p50_ms'])} (median) and {milliseconds(first['p99_ms'])} (p99)"
            + ("." if first["p50_ms"] else ": most workers were faster than the answer.")
        )
    else:
        yield "The time to the first byte: not measured, as this upstream does not note it."
    if stored["count"]:
        yield (
            "From the answer to the stored object it took"
            f" {milliseconds(stored['p50_ms'])} (median) and {milliseconds(stored['p99_ms'])}"
            f" (p99): {milliseconds(latencies['queued']['p50_ms'])} in the queue,"
            f" {milliseconds(latencies['fetched']['p50_ms'])} to download and store."
        )
    if whole["count"]:
        yield (
            f"A client waited {milliseconds(whole['p50_ms'])} (median) and"
            f" {milliseconds(whole['p99_ms'])} (p99) from the planned instant to the last report"
            " about its job."
        )


def sending_samples(document: Document) -> Sequence[Mapping[str, Any]]:
    """Return the samples of the time in which manifests were sent."""
    end_s = document["seconds"]["sending"] + 1
    return [sample for sample in document["samples"] if sample["at_s"] <= end_s]


def queue_of(sample: Mapping[str, Any]) -> float:
    """Return the lag of the workers' group; the backlog where the broker does not tell."""
    return float(sample["backlog"] if sample["lag"] is None else sample["lag"])


def grown_by(queue: Sequence[float]) -> float:
    """Return how much longer a queue is in the last third of its time than in the first."""
    third = max(len(queue) // 3, 1)
    return mean(queue[-third:]) - mean(queue[:third]) if queue else 0.0


def _throughput(document: Document) -> str:
    samples = sending_samples(document)
    ended = [sample["ended_per_s"] for sample in samples if sample["ended_per_s"] is not None]
    carried = [sample["bytes_per_s"] for sample in samples if sample["bytes_per_s"] is not None]
    queue = [queue_of(sample) for sample in samples]
    reports = [sample["reports_lag"] or 0 for sample in samples]
    if not ended:
        return "Throughput of the workers: not measured."
    grown = grown_by(queue)
    kept = grown <= max(LEVEL, 0.1 * mean(queue))
    return (
        f"Workers ended {median(ended):.1f} resources/s ({median(carried) / 1e6:.2f} MB/s,"
        " medians);"
        f" the queue held at most {max(queue):.0f} tasks"
        + (" and kept level." if kept else f" and grew by {grown:.0f}: the workers fell behind.")
        + f" The ledger was at most {max(reports)} reports behind."
    )


def _resources(document: Document) -> Iterator[str]:
    samples = sending_samples(document)
    seen = {name: use for part, name in _PARTS.items() if (use := _use(samples, part))}
    own = median([sample["generator_cpu"] for sample in samples] or [0])
    if seen:
        told = ", ".join(f"{name} {use}" for name, use in seen.items())
        yield f"In use were: {told}, the generator {own:.2f} cores."
    if unseen := [name for name in _PARTS.values() if name not in seen]:
        is_inside = document["broker"] == "sqlite" and "broker" in unseen
        yield (
            f"CPU and memory of {', '.join(unseen)}: not measured"
            + (" (SQLite has no process: its work is that of API and workers)." * is_inside or ".")
        )
    pressure = [sample["cpu_pressure"] for sample in samples if sample["cpu_pressure"] is not None]
    if pressure:
        yield f"Tasks on the machine waited for a CPU {median(pressure):.0f} % of the time (PSI)."
    else:
        yield "Pressure of the machine: not measured (no /proc/pressure here)."


_PARTS: Final = {"api": "API", "worker": "workers (in sum)", **NAMES}


def _use(samples: Sequence[Mapping[str, Any]], part: str) -> str:
    cores = [each[f"{part}_cpu"] for each in samples if each[f"{part}_cpu"] is not None]
    sizes = [each[f"{part}_rss_bytes"] for each in samples if each[f"{part}_rss_bytes"] is not None]
    return f"{median(cores):.2f} cores and {max(sizes) / 1e6:.0f} MB" if cores and sizes else ""


def _dead_letters(document: Document) -> str:
    told = [each["dead_letters"] for each in document["samples"]]
    known = [each for each in told if each is not None]
    return f"{known[-1]:.0f}" if known else "unknown"


def _account(document: Document) -> str:
    resources, account = document["resources"], document["account"]
    return (
        f"Account: {resources['accepted']} resources accepted = {account['stored']} stored +"
        f" {account['failed']} failed, {account['objects']} objects,"
        f" {account['digested']} compared by SHA-256, {resources['retries']} retries,"
        f" {_dead_letters(document)} dead letters, {resources['repeats']} told twice;"
        f" {len(account['breaches'])} breaches."
    )
