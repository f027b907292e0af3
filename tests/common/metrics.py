"""Counters of the stack, summed over its processes.

Other tests count at the same time: compare with `>=`, or by a job type that only one test uses.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import requests

_SAMPLE: Final = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One line of an exposition."""

    name: str
    labels: Mapping[str, str]
    value: float


def parse(text: str) -> list[Sample]:
    """Read the Prometheus text format."""
    samples = []
    for line in text.splitlines():
        if match := _SAMPLE.match(line):
            labels = dict(_LABEL.findall(match[2] or ""))
            samples.append(Sample(name=match[1], labels=labels, value=float(match[3])))
    return samples


def scrape(url: str) -> list[Sample]:
    """Read one process; `url` may or may not end in /metrics."""
    full = url if url.endswith("/metrics") else f"{url}/metrics"
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(full, timeout=5)
    answer.raise_for_status()
    return parse(answer.text)


def total(samples: Iterable[Sample], name: str, **labels: str) -> float:
    """Add up the samples of a name whose labels include `labels`."""
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


@dataclass(frozen=True, slots=True)
class Fleet:
    """Processes of one kind."""

    urls: tuple[str, ...]

    def value(self, name: str, **labels: str) -> float:
        """Return a metric, summed over all processes."""
        return sum(total(scrape(url), name, **labels) for url in self.urls)
