"""The OpenAPI document: complete, true to the routes, with examples that fit."""

import asyncio
import re
from typing import Any

import jsonschema_rs
import pytest
from litestar import Litestar
from openapi_spec_validator import OpenAPIV31SpecValidator

from fetchbox.api.app import ApiServices, create_app
from fetchbox.api.catalogue import OPERATIONS, Operation
from fetchbox.api.examples import MANIFEST
from fetchbox.api.openapi import Documentation
from fetchbox.model.manifest import ManifestLimits, parse_manifest
from tests.fakes.api import make_options
from tests.fakes.asgi import AsgiClient

DOCUMENT = Documentation(version="1.2.3").document()


@pytest.fixture
def client(make_client: Any) -> AsgiClient:
    made = make_client()
    assert isinstance(made, AsgiClient)
    return made


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def is_valid(schema: dict[str, Any], value: Any) -> bool:
    root = {**schema, "components": DOCUMENT["components"]}
    return jsonschema_rs.validator_for(root).is_valid(value)


def test_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


@pytest.mark.parametrize("surface", ["all", "ingest", "operators"])
def test_document_has_exactly_the_routes(services: ApiServices, surface: Any) -> None:
    app = create_app(services, make_options(surface=surface), stopping=asyncio.Event())
    document = Documentation(version="1", surface=surface).document()
    documented = {(path, method) for path, verbs in document["paths"].items() for method in verbs}
    assert documented == routes(app)


def routes(app: Litestar) -> set[tuple[str, str]]:
    return {
        (re.sub(r":\w+}", "}", route.path), method.lower())
        for route in app.routes
        for method in route.methods - {"OPTIONS"}
        if route.path not in {"/openapi.json", "/docs"}
    }


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_every_example_fits_its_schema(operation: Operation) -> None:
    described = DOCUMENT["paths"][operation.path][operation.method]
    bodies = [*described["responses"].values()]
    bodies += [described["requestBody"]] if "requestBody" in described else []
    for body in bodies:
        for media in body["content"].values():
            shown = [each["value"] for each in media.get("examples", {}).values()]
            shown += [media["example"]] if "example" in media else []
            assert shown
            assert all(is_valid(media["schema"], example) for example in shown)


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_every_answer_promises_the_request_id(operation: Operation) -> None:
    described = DOCUMENT["paths"][operation.path][operation.method]
    assert all("X-Request-Id" in each["headers"] for each in described["responses"].values())


def test_example_manifest_is_accepted_by_the_service() -> None:
    assert len(parse_manifest(MANIFEST, ManifestLimits()).resources) == 2


def test_query_limits_come_from_the_code() -> None:
    parameters = DOCUMENT["paths"]["/operators/jobs"]["get"]["parameters"]
    by_name = {each["name"]: each["schema"] for each in parameters}
    assert by_name["limit"] == {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}
    assert by_name["status"] == {"enum": ["completed", "failed", "in_progress", "queued"]}
    assert by_name["cursor"] == {"type": "string"}


@pytest.mark.parametrize("needs_token", [True, False])
def test_token_is_asked_for_where_it_is_needed(*, needs_token: bool) -> None:
    paths = Documentation(version="1", needs_token=needs_token).document()["paths"]
    assert ("security" in paths["/operators/jobs"]["get"]) is needs_token
    assert "security" not in paths["/jobs"]["post"]


async def test_document_is_served(client: AsgiClient) -> None:
    answer = await client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == DOCUMENT


async def test_page_is_served_and_needs_no_other_host(client: AsgiClient) -> None:
    answer = await client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert b"://" not in answer.body
