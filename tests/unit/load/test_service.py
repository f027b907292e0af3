"""What the generator says to the API, and what it makes of the answers."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.load.plan import Order, Wanted
from tests.load.service import HttpApi, JobTypes
from tests.load.tally import Answer
from tests.load.upstream import Upstream

ORDER = Order(
    number=7, at_s=0, is_proxied=False, wanted=[Wanted(size=5), Wanted(size=6, fault=404)]
)
Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def serving(serve: Serve) -> TestServer:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    server = TestServer(app)
    await server.start_server()
    return server


def api_at(url: str, session: aiohttp.ClientSession) -> HttpApi:
    return HttpApi(
        session=session,
        api=url,
        operator=url,
        token="secret",
        tenant="run-1",
        job_types=JobTypes(plain="default", proxied="it_tunnel"),
        upstream=Upstream(name="static", base="http://origin"),
    )


async def test_a_manifest_names_its_run(session: aiohttp.ClientSession) -> None:
    seen: list[tuple[str, str, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        headers = request.headers
        job_type, tenant = headers["X-Fetchbox-Job-Type"], headers["X-Fetchbox-Tenant"]
        seen.append((job_type, tenant, await request.read()))
        return web.json_response({"job_id": "j1"}, status=202)

    async with await serving(take) as server:
        api = api_at(str(server.make_url("")), session)
        assert await api.submit(ORDER) == Answer(job_id="j1")
        await api.submit(Order(number=8, at_s=0, is_proxied=True, wanted=[]))
    assert [each[:2] for each in seen] == [("default", "run-1"), ("it_tunnel", "run-1")]
    assert json.loads(seen[0][2])["resources"] == [
        {"id": "0", "url": "http://origin/b/5/run-1/7/0"},
        {"id": "1", "url": "http://origin/b/0/run-1/7/1?status=404"},
    ]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(
            {"status": 503, "text": '{"error": {"code": "QUEUE_UNAVAILABLE"}}'},
            "503 QUEUE_UNAVAILABLE",
            id="refused",
        ),
        pytest.param({"status": 502, "text": "[]"}, "502", id="from somebody else"),
        pytest.param({"status": 202, "text": "no json"}, "JSONDecodeError", id="no json"),
    ],
)
async def test_other_answers_are_problems(
    session: aiohttp.ClientSession, answer: dict[str, str | int], problem: str
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(**answer)  # type: ignore[arg-type]  # as the table has them

    async with await serving(refuse) as server:
        assert await api_at(str(server.make_url("")), session).submit(ORDER) == Answer(
            problem=problem
        )


async def test_nobody_at_home_is_a_problem(session: aiohttp.ClientSession) -> None:
    answer = await api_at("http://127.0.0.1:9", session).submit(ORDER)
    assert answer.problem == "ClientConnectorError"


async def test_jobs_come_page_by_page(session: aiohttp.ClientSession) -> None:
    async def pages(request: web.Request) -> web.Response:
        assert request.query["tenant"] == "run-1"
        assert request.headers["X-Fetchbox-Operator-Token"] == "secret"
        if request.query.get("cursor") == "2":
            return web.json_response({"jobs": [{"job_id": "c"}], "next_cursor": None})
        return web.json_response({"jobs": [{"job_id": "a"}, {"job_id": "b"}], "next_cursor": "2"})

    async with await serving(pages) as server:
        api = api_at(str(server.make_url("")), session)
        assert [job["job_id"] async for job in api.jobs()] == ["a", "b", "c"]
