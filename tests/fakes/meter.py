"""Reads metrics as growth, so that tests may share a registry."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry


class Meter:
    """Tells how much a metric has grown since the meter was made."""

    def __init__(self, registry: CollectorRegistry) -> None:
        samples = [sample for metric in registry.collect() for sample in metric.samples]
        self._registry = registry
        self._before = {_key(each.name, each.labels): each.value for each in samples}

    def growth(self, name: str, **labels: str) -> float:
        value = self._registry.get_sample_value(name, labels) or 0.0
        return value - self._before.get(_key(name, labels), 0.0)


def _key(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{sorted(labels.items())}"
