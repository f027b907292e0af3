import importlib.util
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fetchbox.telemetry import tracing
from fetchbox.telemetry.tracing import (
    OpenTelemetry,
    TracingUnavailableError,
    configure_tracing,
    span,
    tag,
)
from tests.fakes.tracing import recording

HAS_EXTRA = importlib.util.find_spec("opentelemetry") is not None
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
OFF = """
import sys
from fetchbox.telemetry.tracing import configure_tracing, span
configure_tracing(None, "api")
with span("step", trace_id="0" * 32, stream="jobs.tasks"):
    pass
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


@pytest.fixture(autouse=True)
def off_again() -> Iterator[None]:
    yield
    tracing._Tracing.recorder = None


def test_without_an_endpoint_nothing_is_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OFF], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "[]\n"


def test_a_span_that_is_off_lets_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), span("step"):
        raise ZeroDivisionError


def test_a_tag_belongs_to_the_innermost_span_and_is_nothing_while_off() -> None:
    tag(partition=1)
    with recording() as recorder, span("step", trace_id=TRACE_ID), span("publish", stream="s"):
        tag(partition=2)
    assert [(each.name, each.trace_id, each.attributes) for each in recorder.spans] == [
        ("step", TRACE_ID, {}),
        ("publish", TRACE_ID, {"stream": "s", "partition": 2}),
    ]


@pytest.mark.skipif(HAS_EXTRA, reason="the extra is installed")
def test_an_endpoint_without_the_extra_says_what_to_install() -> None:
    with pytest.raises(TracingUnavailableError, match=r"pip install 'fetchbox\[otlp\]'"):
        configure_tracing("http://127.0.0.1:4317", "api")


def test_a_span_is_in_its_job_s_trace() -> None:
    trace = pytest.importorskip("opentelemetry.sdk.trace", reason="needs the extra otlp")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    memory = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    provider = trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    tracing._Tracing.recorder = OpenTelemetry(provider)
    with span("publish", trace_id=TRACE_ID, stream="jobs.tasks"):
        tag(partition=3)
    with span("publish", trace_id="not hex"):
        pass
    found, other = exporter.get_finished_spans()
    assert other.context.trace_id != found.context.trace_id
    assert found.name == "publish"
    assert f"{found.context.trace_id:032x}" == TRACE_ID
    assert dict(found.attributes or {}) == {"stream": "jobs.tasks", "partition": 3}
