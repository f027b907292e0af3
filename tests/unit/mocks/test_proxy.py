"""The proxies forward, tunnel, demand credentials and refuse, and tell what they saw."""

import asyncio
import ssl
from typing import Any

import aiohttp
import pytest

from mocks.bodies import body_of
from mocks.peers import Peers
from tests.unit.mocks.dialling import CASE, Dial

GOOD = {"Proxy-Authorization": aiohttp.encode_basic_auth("fetch", "box")}


def through(dial: Dial, name: str, **options: Any) -> dict[str, Any]:
    return {"proxy": dial.url("", name), **options}


async def test_plain_request_is_forwarded_and_noted(dial: Dial) -> None:
    seen = await dial.get("bytes/5000", **through(dial, "proxy"))

    assert seen.body == body_of(CASE, 5000)
    journal = (await dial.control("GET", f"journal?case={CASE}"))["entries"]
    assert [(entry["role"], entry["via"]) for entry in journal] == [
        ("proxy", ""),
        ("origin", "proxy"),
    ]
    counts = (await dial.control("GET", "proxies"))["proxy"]
    assert (counts["requests"], counts["connects"]) == (1, 0)
    assert counts["bytes_down"] > 5000


async def test_tunnel_is_noted_and_known_at_the_origin(dial: Dial, peers: Peers) -> None:
    context = ssl.create_default_context(cadata=peers.ca_pem.decode())
    options = through(dial, "proxy_auth", ssl=context, proxy_headers=GOOD)

    seen = await dial.get("bytes/5000", "tls_origin", **options)

    assert seen.body == body_of(CASE, 5000)
    (entry,) = (await dial.control("GET", f"journal?case={CASE}"))["entries"]
    assert (entry["role"], entry["via"]) == ("tls_origin", "proxy_auth")
    tunnels = (await dial.control("GET", "journal?role=proxy_auth"))["entries"]
    assert [(each["method"], each["user"]) for each in tunnels] == [("CONNECT", "fetch")]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 407),
        ({"Proxy-Authorization": aiohttp.encode_basic_auth("fetch", "x")}, 407),
        ({"Proxy-Authorization": "Basic ###"}, 407),
        ({"Proxy-Authorization": "Bearer x"}, 407),
        (GOOD, 200),
    ],
)
async def test_credentials_are_demanded(dial: Dial, given: dict[str, str], status: int) -> None:
    seen = await dial.get("bytes/1", headers=given, **through(dial, "proxy_auth"))

    assert seen.status == status


@pytest.mark.parametrize(("name", "status"), [("proxy_502", 502), ("proxy_407", 407)])
async def test_refusing_proxies_refuse_both_kinds(dial: Dial, name: str, status: int) -> None:
    assert (await dial.get("bytes/1", **through(dial, name))).status == status
    with pytest.raises(aiohttp.ClientHttpProxyError) as caught:
        await dial.get("bytes/1", "tls_origin", **through(dial, name))

    assert caught.value.status == status


@pytest.mark.parametrize("status", [403, 502])
async def test_connect_alone_can_be_refused(dial: Dial, status: int) -> None:
    options = through(dial, f"proxy_connect_{status}")

    assert (await dial.get("bytes/1", **options)).status == 200
    with pytest.raises(aiohttp.ClientHttpProxyError) as caught:
        await dial.get("bytes/1", "tls_origin", **options)

    assert caught.value.status == status


async def test_unreachable_origin_is_a_502(dial: Dial) -> None:
    assert b" 502 " in await dial.raw("bytes/1", "proxy")  # names no host

    url = dial.url("", "proxy")
    async with (
        aiohttp.ClientSession() as session,
        session.get("http://127.0.0.1:1/", proxy=url) as answer,
    ):
        assert answer.status == 502


async def test_silent_proxy_says_nothing(dial: Dial) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await dial.raw("bytes/1", "proxy_hang")


async def test_broken_answer_passes_through_as_it_is(dial: Dial) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await dial.get("short/100/5", **through(dial, "proxy"))
    with pytest.raises(aiohttp.ClientError):
        await dial.get("reset", **through(dial, "proxy"))
