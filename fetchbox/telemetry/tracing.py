"""Spans over OTLP, when an endpoint is configured; otherwise nothing is loaded (contract 3.3).

OpenTelemetry is the extra `otlp`: it is imported only here, and only when asked for.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import ModuleType
from typing import Any, Final, Protocol

#: Direct producers may send anything as trace id.
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
#: What a span is while tracing is off.
_OFF: Final = nullcontext()
MISSING: Final = "telemetry.otlp_endpoint is set, which needs: pip install 'fetchbox[otlp]'"

Attributes = Mapping[str, str | int]


class TracingUnavailableError(ValueError):
    """Tracing was asked for and cannot be had; the message says what to install."""


class Recorder(Protocol):
    """Where spans go while tracing is on."""

    def span(
        self, name: str, trace_id: str, attributes: Attributes
    ) -> AbstractContextManager[None]:
        """Record a step, inside the one under way or, with a trace id, in that trace."""
        ...

    def tag(self, attributes: Attributes) -> None:
        """Add to the innermost span."""
        ...


class _Tracing:
    """The recorder of this process, None while tracing is off."""

    recorder: Recorder | None = None


def configure_tracing(endpoint: str | None, service: str) -> None:
    """Export spans to `endpoint` (OTLP over gRPC); None leaves tracing off.

    Raises TracingUnavailableError when the extra is not installed.
    """
    if endpoint is None:
        return
    try:
        trace = importlib.import_module("opentelemetry.sdk.trace")
        export = importlib.import_module("opentelemetry.sdk.trace.export")
        resources = importlib.import_module("opentelemetry.sdk.resources")
        otlp = importlib.import_module("opentelemetry.exporter.otlp.proto.grpc.trace_exporter")
    except ImportError as error:
        raise TracingUnavailableError(MISSING) from error
    resource = resources.Resource.create({"service.name": service})
    provider = trace.TracerProvider(resource=resource)
    exporter = otlp.OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"))
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    _Tracing.recorder = OpenTelemetry(provider)


def span(name: str, *, trace_id: str = "", **attributes: str | int) -> AbstractContextManager[None]:
    """Time a step; `trace_id` (32 hex digits) puts it into the trace of its job."""
    if _Tracing.recorder is None:
        return _OFF
    return _Tracing.recorder.span(name, trace_id, attributes)


def tag(**attributes: str | int) -> None:
    """Add to the innermost span what is known only now."""
    if _Tracing.recorder is not None:
        _Tracing.recorder.tag(attributes)


class OpenTelemetry:
    """Implements `Recorder` on a tracer provider."""

    def __init__(self, provider: Any) -> None:
        """Take the provider that exports."""
        self._api = importlib.import_module("opentelemetry.trace")
        self._tracer = provider.get_tracer("fetchbox")

    @contextmanager
    def span(self, name: str, trace_id: str, attributes: Attributes) -> Iterator[None]:
        """See `Recorder.span`."""
        context = _parent(self._api, trace_id) if _TRACE_ID.fullmatch(trace_id) else None
        with self._tracer.start_as_current_span(name, context=context, attributes=attributes):
            yield

    def tag(self, attributes: Attributes) -> None:
        """See `Recorder.tag`."""
        self._api.get_current_span().set_attributes(attributes)


def _parent(api: ModuleType, trace_id: str) -> Any:
    """Make the context of a job's trace. Its first span is elsewhere, so the id stands for it."""
    parent = api.SpanContext(
        trace_id=int(trace_id, 16),
        span_id=int(trace_id[16:], 16) or 1,
        is_remote=True,
        trace_flags=api.TraceFlags(api.TraceFlags.SAMPLED),
    )
    return api.set_span_in_context(api.NonRecordingSpan(parent))
