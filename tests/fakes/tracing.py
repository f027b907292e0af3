"""Spans as they would be exported, kept in memory."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from fetchbox.telemetry import tracing


@dataclass
class Span:
    """One step; `trace_id` is inherited from the step around it."""

    name: str
    trace_id: str
    attributes: dict[str, str | int]


@dataclass
class FakeRecorder:
    """For asserts: `spans`, in the order they began."""

    spans: list[Span] = field(default_factory=list)
    _current: ContextVar[Span | None] = field(
        default_factory=lambda: ContextVar("_current", default=None)
    )

    @contextmanager
    def span(self, name: str, trace_id: str, attributes: Mapping[str, str | int]) -> Iterator[None]:
        around = self._current.get()
        made = Span(name, trace_id or (around.trace_id if around else ""), dict(attributes))
        self.spans.append(made)
        token = self._current.set(made)
        try:
            yield
        finally:
            self._current.reset(token)

    def tag(self, attributes: Mapping[str, str | int]) -> None:
        current = self._current.get()
        assert current is not None, "a tag outside every span"
        current.attributes.update(attributes)

    def named(self, name: str) -> list[Span]:
        return [each for each in self.spans if each.name == name]


@contextmanager
def recording() -> Iterator[FakeRecorder]:
    """Turn tracing on, as `configure_tracing` does."""
    recorder = FakeRecorder()
    tracing._Tracing.recorder = recorder
    try:
        yield recorder
    finally:
        tracing._Tracing.recorder = None
