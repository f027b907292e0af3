"""Who may use the operator routes (contract 2.1, deviation 5)."""

from typing import Any

import pytest
from litestar import Litestar

from fetchbox.api.app import ApiServices
from tests.fakes.asgi import AsgiClient, Headers

TOKEN = "sécret"
HEADER = "X-Fetchbox-Operator-Token"
WRITES = ["/operators/dlq/replay", "/operators/dlq/purge", "/operators/ledger/prune"]


def operator_routes(app: Litestar) -> list[tuple[str, str]]:
    return [
        (method, route.path.replace("{job_id:str}", "x"))
        for route in app.routes
        if route.path.startswith("/operators")
        for method in sorted(route.methods - {"OPTIONS"})
    ]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="missing"),
        pytest.param({HEADER: ""}, id="empty"),
        pytest.param({HEADER: "wrong"}, id="wrong"),
        pytest.param({HEADER: TOKEN + "x"}, id="longer"),
        pytest.param({HEADER: b"\xff"}, id="undecodable"),
        pytest.param({"Authorization": f"Bearer {TOKEN}"}, id="other-header"),
    ],
)
async def test_every_operator_route_refuses_without_the_token(
    make_client: Any, headers: Headers
) -> None:
    client: AsgiClient = make_client(operator_token=TOKEN)
    routes = operator_routes(client.app)
    assert len(routes) == 10
    for method, path in routes:
        answer = await client.send(method, path, headers)
        assert (answer.status, answer.json["error"]["code"]) == (401, "UNAUTHORIZED"), path
        assert TOKEN.encode() not in answer.body


@pytest.mark.parametrize("path", ["//operators/dlq", "/operators//dlq", "/operators/dlq/"])
async def test_path_spelling_opens_no_door(make_client: Any, path: str) -> None:
    assert (await make_client(operator_token=TOKEN).get(path)).status == 401


async def test_right_token_is_let_in(make_client: Any) -> None:
    client = make_client(operator_token=TOKEN, is_loopback=False)
    assert (await client.get("/operators/dlq", {HEADER: TOKEN})).status == 200
    assert (await client.post("/operators/dlq/replay", {HEADER: TOKEN})).status == 200


async def test_other_routes_need_no_token(make_client: Any) -> None:
    client = make_client(operator_token=TOKEN)
    for path in ("/health/live", "/openapi.json", "/docs"):
        assert (await client.get(path)).status == 200
    assert (await client.post("/jobs")).status == 400


async def test_without_a_token_reading_is_open(make_client: Any) -> None:
    assert (await make_client(is_loopback=False).get("/operators/dlq")).status == 200


@pytest.mark.parametrize("path", WRITES)
async def test_without_a_token_changes_are_for_loopback_only(make_client: Any, path: str) -> None:
    answer = await make_client(is_loopback=False).post(path)
    assert (answer.status, answer.json["error"]["code"]) == (403, "FORBIDDEN")
    assert "server.operator_token" in answer.json["error"]["message"]


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("none", 200), ("", 200)]
)
async def test_without_a_token_other_pages_may_change_nothing(
    make_client: Any, services: ApiServices, path: str, site: str, status: int
) -> None:
    """A browser on this host would otherwise carry any page's requests to loopback."""
    await services.broker.ensure([])
    answer = await make_client().post(path, {"Sec-Fetch-Site": site})
    assert answer.status == status
