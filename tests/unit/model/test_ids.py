"""Trace ids, tenants and what a resource id may be (contract 1.2, 1.5)."""

import pytest

from fetchbox.model.ids import id_fault, resolve_tenant, trace_id_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(f"00-{TRACE}-{SPAN}-01", TRACE, id="valid"),
        pytest.param(f" 00-{TRACE}-{SPAN}-00 ", TRACE, id="blanks-around"),
        pytest.param(f"01-{TRACE}-{SPAN}-01-more", TRACE, id="later-version-may-say-more"),
        pytest.param(f"00-{TRACE}-{SPAN}-01-more", None, id="version-00-may-not"),
        pytest.param(f"ff-{TRACE}-{SPAN}-01", None, id="version-ff"),
        pytest.param(f"00-{TRACE.upper()}-{SPAN}-01", None, id="upper-case"),
        pytest.param(f"00-{'0' * 32}-{SPAN}-01", None, id="zero-trace"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", None, id="zero-span"),
        pytest.param(f"00-{TRACE[:-1]}-{SPAN}-01", None, id="short"),
        pytest.param(f"00-{TRACE}-{SPAN}", None, id="no-flags"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_trace_id_is_taken_from_a_valid_traceparent(
    header: str | None, expected: str | None
) -> None:
    assert trace_id_of(header) == expected


@pytest.mark.parametrize(
    ("header", "attributes", "tenant"),
    [
        pytest.param("acme", {"tenant": "other"}, "acme", id="header-first"),
        pytest.param(None, {"tenant": "other"}, "other", id="attribute"),
        pytest.param("", {"tenant": "other"}, "other", id="empty-header-is-absent"),
        pytest.param(None, {"tenant": ""}, "default", id="empty-attribute"),
        pytest.param(None, {"tenant": 7}, "default", id="attribute-is-no-text"),
        pytest.param(None, {}, "default", id="neither"),
        pytest.param(None, None, "default", id="no-attributes"),
    ],
)
def test_tenant_is_resolved(header: str | None, attributes: object, tenant: str) -> None:
    assert resolve_tenant(header, attributes) == tenant


@pytest.mark.parametrize(
    "good",
    ["a", "x" * 128, "a/b/c.png", "ünïcode 1", "..a", "a..", ".hidden", "a/...", "a b", "%2e%2e"],
)
def test_id_is_accepted(good: str) -> None:
    assert id_fault(good, 128) is None


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        pytest.param("", "1 to 128", id="empty"),
        pytest.param("x" * 129, "1 to 128", id="long"),
        pytest.param("ü" * 129, "1 to 128", id="long-in-characters"),
        pytest.param("a\x00", "control", id="nul"),
        pytest.param("a\nb", "control", id="line-break"),
        pytest.param("a\n", "control", id="line-break-at-the-end"),
        pytest.param("a\x7f", "control", id="delete"),
        pytest.param("a\x85", "control", id="c1"),
        pytest.param("/a", "start with '/'", id="absolute"),
        pytest.param("/", "start with '/'", id="root"),
        pytest.param(".", "path segment", id="dot"),
        pytest.param("..", "path segment", id="dots"),
        pytest.param("a/../b", "path segment", id="dots-inside"),
        pytest.param("a/.", "path segment", id="dot-at-the-end"),
        pytest.param("../a", "path segment", id="dots-at-the-start"),
        pytest.param("a//b", "path segment", id="empty-inside"),
        pytest.param("a/", "path segment", id="empty-at-the-end"),
    ],
)
def test_id_is_refused(bad: str, fault: str) -> None:
    assert fault in (id_fault(bad, 128) or "")
