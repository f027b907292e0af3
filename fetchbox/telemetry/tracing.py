"""Export of traces over OTLP, only when an endpoint is configured; else nothing is loaded."""

from fetchbox.version import __version__


def configure_tracing(endpoint: str | None, service: str) -> None:
    """Send spans of this process to `endpoint`; raises ValueError without the extra `otlp`."""
    if endpoint is None:
        return
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        msg = "telemetry.otlp_endpoint needs the extra: pip install 'fetchbox[otlp]'"
        raise ValueError(msg) from error
    resource = Resource.create({"service.name": service, "service.version": __version__})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)
