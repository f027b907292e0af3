"""Every check of a manifest: its reason, the field it names, and which comes first (1.3-1.5)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchbox.model.failure import FetchBoxError
from fetchbox.model.manifest import ManifestLimits, parse_manifest
from tests.factories import make_manifest, make_resource_entry

LIMITS = ManifestLimits()


def refused(document: object, limits: ManifestLimits = LIMITS) -> FetchBoxError:
    with pytest.raises(FetchBoxError) as caught:
        parse_manifest(document, limits)
    return caught.value


def with_resource(**matters: Any) -> dict[str, Any]:
    return make_manifest(resources=[make_resource_entry(**matters)])


def without(name: str) -> dict[str, Any]:
    entry = make_resource_entry()
    del entry[name]
    return make_manifest(resources=[entry])


def with_ids(*ids: str) -> dict[str, Any]:
    return make_manifest(resources=[make_resource_entry(id=each) for each in ids])


NO_OBJECTS: list[Any] = [None, [], "x", 1]
BAD_ATTRIBUTES = [
    pytest.param(
        make_manifest(attributes=bad), "INVALID_ATTRIBUTES", "attributes", id=f"attributes-{bad!r}"
    )
    for bad in NO_OBJECTS
]
BAD_METADATA = [
    pytest.param(
        make_manifest(metadata=bad), "INVALID_METADATA", "metadata", id=f"metadata-{bad!r}"
    )
    for bad in NO_OBJECTS
]


@pytest.mark.parametrize(
    ("document", "reason", "field"),
    [
        pytest.param([], "INVALID_JSON", None, id="array"),
        pytest.param(None, "INVALID_JSON", None, id="null"),
        pytest.param("v1", "INVALID_JSON", None, id="text"),
        pytest.param({}, "MISSING_FIELD", "manifest_version", id="empty"),
        pytest.param(
            make_manifest(manifest_version=...),
            "MISSING_FIELD",
            "manifest_version",
            id="no-version",
        ),
        pytest.param(make_manifest(metadata=...), "MISSING_FIELD", "metadata", id="no-metadata"),
        pytest.param(make_manifest(resources=...), "MISSING_FIELD", "resources", id="no-resources"),
        pytest.param(
            make_manifest(manifest_version=1),
            "INVALID_FIELD",
            "manifest_version",
            id="version-number",
        ),
        pytest.param(
            make_manifest(resources={}), "INVALID_FIELD", "resources", id="resources-object"
        ),
        pytest.param(
            make_manifest(resources=["x"]), "INVALID_FIELD", "resources[0]", id="resource-text"
        ),
        pytest.param(without("id"), "MISSING_FIELD", "resources[0].id", id="no-id"),
        pytest.param(without("url"), "MISSING_FIELD", "resources[0].url", id="no-url"),
        pytest.param(with_resource(id=1), "INVALID_FIELD", "resources[0].id", id="id-number"),
        pytest.param(with_resource(url=1), "INVALID_FIELD", "resources[0].url", id="url-number"),
        pytest.param(
            with_resource(headers=[]), "INVALID_FIELD", "resources[0].headers", id="headers-array"
        ),
        pytest.param(
            with_resource(tags=None), "INVALID_FIELD", "resources[0].tags", id="tags-null"
        ),
        pytest.param(
            with_resource(headers={"a": 1}),
            "INVALID_FIELD",
            "resources[0].headers.a",
            id="header-1",
        ),
        pytest.param(
            with_resource(tags={"a": None}), "INVALID_FIELD", "resources[0].tags.a", id="tag-null"
        ),
        pytest.param(
            make_manifest(manifest_version="v2"),
            "UNSUPPORTED_VERSION",
            "manifest_version",
            id="version-v2",
        ),
        pytest.param(
            make_manifest(manifest_version="V1"),
            "UNSUPPORTED_VERSION",
            "manifest_version",
            id="version-upper-case",
        ),
        *BAD_METADATA,
        pytest.param(make_manifest(resources=[]), "RESOURCE_COUNT", "resources", id="none"),
        pytest.param(
            with_ids(*map(str, range(1001))), "RESOURCE_COUNT", "resources", id="too-many"
        ),
        *BAD_ATTRIBUTES,
        pytest.param(with_ids(""), "RESOURCE_ID", "resources[0].id", id="id-empty"),
        pytest.param(with_ids("x" * 129), "RESOURCE_ID", "resources[0].id", id="id-long"),
        pytest.param(with_ids("a", "/b"), "RESOURCE_ID", "resources[1].id", id="id-absolute"),
        pytest.param(with_ids("a/../b"), "RESOURCE_ID", "resources[0].id", id="id-climbs"),
        pytest.param(with_ids("a\n"), "RESOURCE_ID", "resources[0].id", id="id-control"),
        pytest.param(
            with_ids("a", "b", "a"), "DUPLICATE_RESOURCE_ID", "resources[2].id", id="id-twice"
        ),
        pytest.param(with_resource(url=""), "INVALID_URL", "resources[0].url", id="url-empty"),
        pytest.param(
            with_resource(url="ftp://a/"), "INVALID_URL", "resources[0].url", id="url-scheme"
        ),
        pytest.param(
            with_resource(headers={f"h{n}": "" for n in range(11)}),
            "HEADER_LIMIT",
            "resources[0].headers",
            id="headers-11",
        ),
        pytest.param(
            with_resource(headers={"a": "ü" * 513}),
            "HEADER_LIMIT",
            "resources[0].headers.a",
            id="header-1026-bytes",
        ),
        pytest.param(
            with_resource(headers={"a": "x\x00"}),
            "HEADER_LIMIT",
            "resources[0].headers.a",
            id="header-nul",
        ),
        pytest.param(
            with_resource(headers={"ok": "1", "a": "x\r\nHost: y"}),
            "HEADER_LIMIT",
            "resources[0].headers.a",
            id="header-line-break",
        ),
        pytest.param(
            with_resource(headers={"a b": "x"}),
            "HEADER_LIMIT",
            "resources[0].headers.a b",
            id="header-name",
        ),
        pytest.param(
            with_resource(headers={"": "x"}),
            "HEADER_LIMIT",
            "resources[0].headers.",
            id="header-name-empty",
        ),
        pytest.param(
            with_resource(tags={f"t{n}": "" for n in range(11)}),
            "TAG_LIMIT",
            "resources[0].tags",
            id="tags-11",
        ),
        pytest.param(
            with_resource(tags={"a": "x" * 1025}), "TAG_LIMIT", "resources[0].tags.a", id="tag-1025"
        ),
    ],
)
def test_bad_manifest_is_refused(document: object, reason: str, field: str | None) -> None:
    error = refused(document)

    assert error.failure.code == f"VALIDATION_{reason}"
    assert error.failure.context.get("field") == field
    assert not error.failure.retryable


#: One document breaks every check; taking the breaches out one by one shows their order.
BREACHES: list[tuple[str, dict[str, Any]]] = [
    ("INVALID_FIELD", {"headers": {"a": 1}}),
    ("UNSUPPORTED_VERSION", {"manifest_version": "v0"}),
    ("INVALID_METADATA", {"metadata": 1}),
    ("RESOURCE_COUNT", {"count": 3}),
    ("INVALID_ATTRIBUTES", {"attributes": 1}),
    ("RESOURCE_ID", {"id": ""}),
    ("DUPLICATE_RESOURCE_ID", {"id": "first"}),
    ("INVALID_URL", {"url": "x"}),
    ("HEADER_LIMIT", {"headers": {"a": "1", "b": "2", "c": "3"}}),
    ("HEADER_LIMIT", {"headers": {"a": "x" * 1025}}),
    ("TAG_LIMIT", {"tags": {"a": "1", "b": "2", "c": "3"}}),
    ("TAG_LIMIT", {"tags": {"a": "x" * 1025}}),
]


@pytest.mark.parametrize("at", range(len(BREACHES)))
def test_first_failing_check_wins(at: int) -> None:
    broken: dict[str, Any] = {}
    for _, breach in BREACHES[at:]:
        broken = {**breach, **broken}
    entry = make_resource_entry(
        **{name: broken[name] for name in ("id", "url", "headers", "tags") if name in broken}
    )
    whole = {
        name: broken[name]
        for name in ("manifest_version", "metadata", "attributes")
        if name in broken
    }
    entries = [make_resource_entry(id="first"), entry, make_resource_entry(id="last")]
    document = make_manifest(resources=entries[: broken.get("count", 2)], **whole)

    error = refused(document, ManifestLimits(max_resources=2, max_headers=2))

    assert error.failure.code == f"VALIDATION_{BREACHES[at][0]}"


def test_resources_are_checked_in_order() -> None:
    entries = [make_resource_entry(id="a", url="x"), make_resource_entry(id="")]
    error = refused(make_manifest(resources=entries))
    assert error.failure.context["field"] == "resources[0].url"


@pytest.mark.parametrize(
    ("document", "facts"),
    [
        pytest.param(
            with_ids(*map(str, range(1001))), {"limit": "1000", "actual": "1001"}, id="count"
        ),
        pytest.param(with_ids("x" * 129), {"limit": "128", "actual": "129"}, id="id"),
        pytest.param(
            with_resource(headers={"a": "ü" * 513}),
            {"limit": "1024", "actual": "1026", "resource_id": "r1"},
            id="header-bytes",
        ),
        pytest.param(
            with_resource(tags={str(n): "" for n in range(11)}),
            {"limit": "10", "actual": "11", "resource_id": "r1"},
            id="tag-count",
        ),
        pytest.param(make_manifest(manifest_version="v9"), {"actual": "v9"}, id="version"),
    ],
)
def test_breach_of_a_limit_tells_limit_and_size(document: object, facts: dict[str, str]) -> None:
    context = dict(refused(document).failure.context)
    del context["field"]
    assert context == facts


def test_client_text_in_an_error_is_bounded() -> None:
    error = refused(make_manifest(manifest_version="v" * 10_000))
    assert len(error.failure.context["actual"]) <= 64
    error = refused(with_resource(headers={"a" * 10_000: 1}))
    assert len(error.failure.message) < 200


def test_secret_in_a_refused_url_is_not_shown() -> None:
    error = refused(with_resource(url="ftp://user:secret@host/?key=secret"))
    assert "secret" not in f"{error}{error.failure.context}"


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(with_ids(*map(str, range(1000))), id="1000-resources"),
        pytest.param(with_ids("x" * 128), id="id-128"),
        pytest.param(with_resource(headers={f"h{n}": "x" * 1024 for n in range(10)}), id="headers"),
        pytest.param(with_resource(headers={"a": "ü" * 512}), id="header-1024-bytes"),
        pytest.param(with_resource(headers={"a": "tab\tand \x01"}), id="header-other-controls"),
        pytest.param(with_resource(tags={"any name\n": "any\r\n\x00 text"}), id="tags-are-free"),
        pytest.param(make_manifest(attributes={}), id="attributes"),
        pytest.param(make_manifest(metadata={}), id="metadata-empty"),
        pytest.param(make_manifest(storage={"bucket": 1}, extra=None), id="unknown-fields"),
        pytest.param(with_resource(name="x", storage=1), id="unknown-fields-of-a-resource"),
    ],
)
def test_good_manifest_is_accepted(document: Any) -> None:
    manifest = parse_manifest(document, LIMITS)
    assert len(manifest.resources) == len(document["resources"])


def test_parts_are_taken_verbatim() -> None:
    entry = make_resource_entry(headers={"X-Mixed": "1"}, tags={"content_type": "image/png"})
    metadata = {"deep": [{"a": None}], "n": 1.5}

    manifest = parse_manifest(
        make_manifest(metadata=metadata, resources=[entry], attributes={"tenant": "acme"}), LIMITS
    )

    (resource,) = manifest.resources
    assert manifest.metadata == metadata
    assert manifest.attributes == {"tenant": "acme"}
    assert (resource.id, resource.url) == (entry["id"], entry["url"])
    assert (resource.headers, resource.tags) == (entry["headers"], entry["tags"])


def test_absent_parts_are_empty() -> None:
    manifest = parse_manifest(make_manifest(), LIMITS)
    assert manifest.attributes == {}
    assert (manifest.resources[0].headers, manifest.resources[0].tags) == ({}, {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
TEXTS = st.dictionaries(st.text(max_size=4), JSON, max_size=3)


def often(good: Any, otherwise: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.just(good), st.just(good), st.just(good), otherwise)


ENTRIES = st.fixed_dictionaries(
    {"id": st.text(max_size=3) | JSON, "url": often("http://a/", st.text(max_size=12) | JSON)},
    optional={"headers": TEXTS | JSON, "tags": TEXTS | JSON},
)
DOCUMENTS = JSON | st.fixed_dictionaries(
    {
        "manifest_version": often("v1", JSON),
        "metadata": often({}, JSON),
        "resources": st.lists(ENTRIES | JSON, max_size=4) | JSON,
    },
    optional={"attributes": often({}, JSON), "more": JSON},
)


@given(document=DOCUMENTS)
def test_any_document_is_accepted_or_refused_for_a_named_reason(document: Any) -> None:
    refusal, ids = None, None
    try:
        ids = [each.id for each in parse_manifest(document, LIMITS).resources]
    except FetchBoxError as error:
        refusal = error.failure
    if refusal is None:
        assert ids == [entry["id"] for entry in document["resources"]]
    else:
        assert refusal.code.startswith("VALIDATION_")
        assert refusal.message


IDS = st.text(st.sampled_from("abcü-_. /"), min_size=1, max_size=6).filter(
    lambda text: text[0] != "/" and not {"", ".", ".."} & set(text.split("/"))
)
NAMES = st.text(st.sampled_from("abcXYZ-9"), min_size=1, max_size=6)
VALUES = st.text(
    st.characters(exclude_characters="\x00\r\n", exclude_categories=["Cs"]), max_size=9
)
GOOD: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "id": IDS,
        "url": st.sampled_from(["http://a/", "https://u@b:1/ü?q", "HTTP://[::1]/"]),
        "headers": st.dictionaries(NAMES, VALUES, max_size=10),
        "tags": st.dictionaries(st.text(max_size=4), st.text(max_size=9), max_size=10),
    }
)


@given(
    entries=st.lists(GOOD, min_size=1, max_size=5, unique_by=lambda entry: entry["id"]),
    metadata=st.dictionaries(st.text(max_size=4), JSON, max_size=2),
    attributes=st.dictionaries(st.text(max_size=4), JSON, max_size=2),
)
def test_accepted_manifest_round_trips(
    entries: list[dict[str, Any]], metadata: dict[str, Any], attributes: dict[str, Any]
) -> None:
    document = make_manifest(resources=entries, metadata=metadata, attributes=attributes)

    manifest = parse_manifest(document, LIMITS)

    assert manifest.metadata is metadata
    assert manifest.attributes is attributes
    assert [
        {"id": each.id, "url": each.url, "headers": each.headers, "tags": each.tags}
        for each in manifest.resources
    ] == entries
