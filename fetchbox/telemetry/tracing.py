"""Spans over OTLP, when an endpoint is configured; otherwise nothing is loaded (contract 3.3).

OpenTelemetry is the extra `otlp`: it is imported only here, and only when asked for.
"""

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

#: Direct producers may send anything as trace id.
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
MISSING: Final = "telemetry.otlp_endpoint is set, which needs: pip install 'fetchbox[otlp]'"


class TracingUnavailableError(ValueError):
    """Tracing was asked for and cannot be had; the message says what to install."""


class _Tracing:
    """The tracer of this process, None while tracing is off."""

    tracer: Any = None


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
    _Tracing.tracer = provider.get_tracer("fetchbox")


@contextmanager
def span(name: str, *, trace_id: str = "", **attributes: str | int) -> Iterator[None]:
    """Time a step; `trace_id` (32 hex digits) puts it into the trace of its job."""
    if _Tracing.tracer is None:
        yield
        return
    api = importlib.import_module("opentelemetry.trace")
    context = _parent(api, trace_id) if _TRACE_ID.fullmatch(trace_id) else None
    with _Tracing.tracer.start_as_current_span(name, context=context, attributes=attributes):
        yield


def _parent(api: ModuleType, trace_id: str) -> Any:
    """Make the context of a job's trace. Its first span is elsewhere, so the id stands for it."""
    parent = api.SpanContext(
        trace_id=int(trace_id, 16),
        span_id=int(trace_id[16:], 16) or 1,
        is_remote=True,
        trace_flags=api.TraceFlags(api.TraceFlags.SAMPLED),
    )
    return api.set_span_in_context(api.NonRecordingSpan(parent))
