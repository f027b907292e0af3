"""Each behaviour of the origin does what mocks/__init__.py says."""

import asyncio
import gzip
import json
import ssl

import pytest

import mocks
from mocks.behaviours import BEHAVIOURS
from mocks.bodies import body_of
from mocks.peers import Peers
from tests.unit.mocks.dialling import CASE, Dial


@pytest.mark.parametrize("query", ["", "?chunked=1", "?type=text/plain&status=201"])
async def test_bytes_has_exactly_the_body(dial: Dial, query: str) -> None:
    seen = await dial.get(f"bytes/100000{query}")

    assert seen.body == body_of(CASE, 100_000)
    assert ("content-length" in seen.headers) == ("chunked" not in query)
    assert (seen.status, seen.headers["content-type"]) == (
        (201, "text/plain") if "type" in query else (200, "application/octet-stream")
    )


async def test_bytes_can_be_compressed_and_seeded(dial: Dial) -> None:
    seen = await dial.get("bytes/5000?gzip=1&seed=other")

    assert seen.headers["content-encoding"] == "gzip"
    assert gzip.decompress(seen.body) == body_of("other", 5000)


async def test_status_takes_turns_per_target_and_the_last_one_stays(dial: Dial) -> None:
    path = "status/500,503,200?retry-after=2"

    seen = [await dial.get(path) for _ in range(4)]

    assert [each.status for each in seen] == [500, 503, 200, 200]
    assert [each.headers.get("retry-after") for each in seen] == ["2", "2", None, None]
    assert (await dial.get("status/500,200")).status == 500


async def test_eof_is_ended_by_closing(dial: Dial) -> None:
    head, _, body = (await dial.raw("eof/500")).partition(b"\r\n\r\n")

    assert body == body_of(CASE, 500)
    assert b"content-length" not in head.lower()


async def test_short_sends_less_than_announced(dial: Dial) -> None:
    head, _, body = (await dial.raw("short/1000/30")).partition(b"\r\n\r\n")

    assert b"Content-Length: 1000" in head
    assert body == body_of(CASE, 1000)[:30]


@pytest.mark.parametrize("path", ["reset", "reset?after=10"])
async def test_reset_resets(dial: Dial, path: str) -> None:
    with pytest.raises(ConnectionResetError):
        await dial.raw(path)


@pytest.mark.parametrize(("path", "start"), [("empty", b""), ("garbage", b"\x00\x01")])
async def test_broken_answers_are_no_http(dial: Dial, path: str, start: bytes) -> None:
    answer = await dial.raw(path)

    assert answer.startswith(start)
    assert not answer.startswith(b"HTTP")


async def test_malformed_chunk_follows_a_good_one(dial: Dial) -> None:
    answer = await dial.raw("malformed-chunk?close=1")

    assert body_of(CASE, 64) + b"\r\nno-size" in answer


async def test_drip_takes_its_time_and_is_whole(dial: Dial) -> None:
    async with asyncio.timeout(5):
        seen = await dial.get("drip/10?chunk=5&every=1")

    assert seen.body == body_of(CASE, 10)


@pytest.mark.parametrize("path", ["hang", "hang?after=10", "malformed-chunk"])
async def test_silence_lasts_until_the_client_goes(dial: Dial, path: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await dial.get(path)

    async with asyncio.timeout(5):
        while (journal := await dial.control("GET", f"journal?case={CASE}"))["open"]:
            pass
    assert [entry["ended"] for entry in journal["entries"]] == ["aborted"]


async def test_hold_waits_for_its_release(dial: Dial) -> None:
    async with asyncio.TaskGroup() as tasks:
        held = [tasks.create_task(dial.get("hold/20")) for _ in range(3)]
        while (await dial.control("GET", f"journal?case={CASE}"))["open"] < 3:
            pass
        assert not any(task.done() for task in held)
        await dial.control("POST", f"release?case={CASE}")

    assert {task.result().body for task in held} == {body_of(CASE, 20)}
    assert (await dial.control("GET", f"journal?case={CASE}"))["peak"] == 3


async def test_redirects_lead_where_they_say(dial: Dial) -> None:
    hops = await dial.get("redirect/2?status=307")
    loop = await dial.get("redirect-loop")
    away = await dial.get("redirect-to?url=file:///x&status=308")

    assert (hops.status, hops.headers["location"]) == (307, f"/c/{CASE}/redirect/1?status=307")
    assert (loop.status, loop.headers["location"]) == (302, f"/c/{CASE}/redirect-loop")
    assert (away.status, away.headers["location"]) == (308, "file:///x")
    assert (await dial.get("redirect/0")).body == body_of(CASE, 64)
    assert "location" not in (await dial.get("redirect-to")).headers


async def test_echo_shows_the_request(dial: Dial) -> None:
    seen = json.loads((await dial.get("echo?a=1", headers={"X-Mine": "7"})).body)

    assert (seen["method"], seen["target"]) == ("GET", f"/c/{CASE}/echo?a=1")
    assert ["X-Mine", "7"] in seen["headers"]


@pytest.mark.parametrize(("path", "status"), [("nothing", 404), ("bytes/x", 400), ("status", 400)])
async def test_mistakes_in_the_path_are_answered(dial: Dial, path: str, status: int) -> None:
    assert (await dial.get(path)).status == status


async def test_tls_origin_is_trusted_through_its_authority(dial: Dial, peers: Peers) -> None:
    context = ssl.create_default_context(cadata=peers.ca_pem.decode())

    assert (await dial.get("bytes/10", "tls_origin", ssl=context)).body == body_of(CASE, 10)


def test_every_behaviour_is_described() -> None:
    assert mocks.__doc__ is not None
    for name, act in BEHAVIOURS.items():
        assert name in mocks.__doc__
        assert (act.__doc__ or "").startswith(f"`{name}")
