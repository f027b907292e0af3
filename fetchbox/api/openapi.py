"""The OpenAPI 3.1 document, and a page that shows it without any network but this API."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from fetchbox.api.auth import TOKEN_HEADER
from fetchbox.api.catalogue import JSON, OPERATIONS, Answer, Operation, RequestBody, RequestHeader
from fetchbox.api.errors import STATUS_OF, ApiCode, Problem
from fetchbox.api.examples import JOB_ID

Surface = Literal["all", "ingest", "operators"]

_REF: Final = "#/components/schemas/{name}"
_TEXT: Final = """FetchBox takes a manifest of URLs, downloads each through proxies with retries, \
stores it in S3 and tells operators what happened.

Every answer carries `X-Request-Id`. Every error has the same shape: `error.code`, \
`error.message`, sometimes `error.job_id` and `error.details`. A 503 may be tried again after \
the seconds in `Retry-After`."""
_TAGS: Final = (
    {"name": "ingest", "description": "Submit work"},
    {"name": "operators", "description": "Look at jobs, logs and dead letters; repair"},
    {"name": "health", "description": "For orchestrators and load balancers"},
)
_TOKEN_SCHEME: Final = "operatorToken"  # noqa: S105 - the name of a scheme
#: The page holds its own script and style, and may talk to this API only.
_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Documentation:
    """GET /openapi.json and GET /docs of one listener."""

    version: str
    surface: Surface = "all"
    needs_token: bool = False

    def routes(self) -> list[HTTPRouteHandler]:
        """Return the routes."""
        policy = {"Content-Security-Policy": _PAGE_POLICY}

        async def show_document() -> Response[bytes]:
            return Response(_rendered(self), media_type=MediaType.JSON)

        async def show_page() -> Response[bytes]:
            return Response(_page(), media_type=MediaType.HTML, headers=policy)

        return [get("/openapi.json")(show_document), get("/docs")(show_page)]

    def document(self) -> Json:
        """Build the document."""
        operations = [each for each in OPERATIONS if self._is_here(each)]
        schemas = _schemas(operations)
        paths: dict[str, Json] = defaultdict(dict)
        for operation in operations:
            described = _described(operation, schemas)
            if self.needs_token and operation.tag == "operators":
                described["security"] = [{_TOKEN_SCHEME: []}]
            paths[operation.path][operation.method] = described
        return {
            "openapi": "3.1.0",
            "info": {"title": "FetchBox", "version": self.version, "description": _TEXT},
            "servers": [{"url": "/"}],
            "tags": list(_TAGS),
            "paths": paths,
            "components": {"schemas": schemas, "securitySchemes": _SECURITY},
        }

    def _is_here(self, operation: Operation) -> bool:
        return self.surface == "all" or operation.tag in {"health", self.surface}


@lru_cache
def _rendered(documentation: Documentation) -> bytes:
    return msgspec.json.encode(documentation.document())


@lru_cache
def _page() -> bytes:
    return files("fetchbox.api").joinpath("docs.html").read_bytes()


_SECURITY: Final = {
    _TOKEN_SCHEME: {
        "type": "apiKey",
        "in": "header",
        "name": TOKEN_HEADER,
        "description": "server.operator_token; needed only where it is configured",
    }
}


def _schemas(operations: Iterable[Operation]) -> Json:
    shapes: set[type[Struct]] = {Problem}
    for operation in operations:
        shapes.update(answer.shape for answer in operation.answers if answer.shape)
        shapes.update(shape for shape in (operation.query,) if shape)
        shapes.update(body.shape for body in (operation.body,) if body)
    ordered = sorted(shapes, key=lambda shape: shape.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_REF)
    return schemas


def _described(operation: Operation, schemas: Json) -> Json:
    described: Json = {
        "operationId": _operation_id(operation),
        "tags": [operation.tag],
        "summary": operation.title,
        "description": operation.text,
        "parameters": [
            *_path_parameters(operation),
            *_query_parameters(operation.query, schemas),
            *map(_header_parameter, operation.headers),
        ],
        "responses": _responses(operation),
    }
    if operation.body is not None:
        described["requestBody"] = _request_body(operation.body)
    return described


def _operation_id(operation: Operation) -> str:
    words = operation.path.replace("{", "").replace("}", "").replace("/", "_")
    return f"{operation.method}{words}"


def _path_parameters(operation: Operation) -> list[Json]:
    if "{job_id}" not in operation.path:
        return []
    schema = {"type": "string", "minLength": 1, "examples": [JOB_ID]}
    return [{"name": "job_id", "in": "path", "required": True, "schema": schema}]


def _query_parameters(shape: type[Struct] | None, schemas: Json) -> list[Json]:
    if shape is None:
        return []
    properties: Mapping[str, Json] = schemas[shape.__name__]["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema.get("description", ""),
            "schema": _without_null(schema),
        }
        for name, schema in properties.items()
    ]


def _without_null(schema: Json) -> Json:
    """Drop null: a query parameter is absent instead."""
    kept = {name: value for name, value in schema.items() if name != "description"}
    if kept.get("default", ...) is None:
        del kept["default"]
    if "enum" in kept:
        kept["enum"] = [value for value in kept["enum"] if value is not None]
    if "anyOf" in kept:
        (only,) = (each for each in kept.pop("anyOf") if each != {"type": "null"})
        kept.update(only)
    return kept


def _header_parameter(header: RequestHeader) -> Json:
    return {
        "name": header.name,
        "in": "header",
        "required": header.is_required,
        "description": header.text,
        "schema": dict(header.schema),
    }


def _request_body(body: RequestBody) -> Json:
    content = {"schema": _ref(body.shape), "example": body.example}
    return {"required": body.is_required, "content": {JSON: content}}


def _responses(operation: Operation) -> Json:
    responses = {str(answer.status): _response(answer) for answer in operation.answers}
    by_status: dict[int, list[ApiCode]] = defaultdict(list)
    for code in operation.errors:
        by_status[STATUS_OF[code]].append(code)
    for status, codes in sorted(by_status.items()):
        _add_error(responses, status, codes)
    return responses


def _response(answer: Answer) -> Json:
    schema = _ref(answer.shape) if answer.shape else {"type": "string"}
    content = {answer.media_type: {"schema": schema, "example": answer.example}}
    return {"description": answer.text, "headers": _REQUEST_ID, "content": content}


def _add_error(responses: Json, status: int, codes: list[ApiCode]) -> None:
    """Describe an error answer, beside a health report of the same status if there is one."""
    examples = {
        code: {"value": {"error": {"code": code, "message": HTTPStatus(status).phrase}}}
        for code in codes
    }
    error: Json = {
        "description": ", ".join(codes),
        "headers": _REQUEST_ID,
        "content": {JSON: {"schema": _ref(Problem), "examples": examples}},
    }
    known = responses.setdefault(str(status), error)
    if known is not error:
        media = known["content"][JSON]
        media["schema"] = {"anyOf": [media["schema"], _ref(Problem)]}
        known["description"] += f"; or {error['description']}"


def _ref(shape: type[Struct]) -> Json:
    return {"$ref": _REF.format(name=shape.__name__)}


_REQUEST_ID: Final = {
    "X-Request-Id": {
        "description": "for finding this request in the log",
        "schema": {"type": "string"},
    }
}
