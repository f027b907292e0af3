"""The control API, the relays, and the program itself."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from mocks.__main__ import options_of, parse
from mocks.bodies import body_of
from mocks.peers import PORTS
from tests.unit.mocks.dialling import CASE, Dial


async def test_journal_keeps_cases_apart_and_forgets_one(dial: Dial) -> None:
    await dial.get("status/500,200")
    await dial.get("../other/bytes/1")

    mine = await dial.control("GET", f"journal?case={CASE}&role=origin")
    await dial.control("DELETE", f"journal?case={CASE}")
    left = await dial.control("GET", "journal")

    assert [entry["target"] for entry in mine["entries"]] == [f"/c/{CASE}/status/500,200"]
    assert [entry["case"] for entry in left["entries"]] == ["other"]
    assert (await dial.get("status/500,200")).status == 500


async def test_entry_has_times_and_sizes(dial: Dial) -> None:
    await dial.get("bytes/300")

    (entry,) = (await dial.control("GET", f"journal?case={CASE}"))["entries"]

    assert entry["done_ms"] >= entry["at_ms"] > 1_600_000_000_000
    assert (entry["status"], entry["sent"], entry["ended"]) == (200, 300, "complete")


async def test_ports_and_health(dial: Dial) -> None:
    assert await dial.control("GET", "healthz") == {"status": "ok"}
    assert await dial.control("GET", "ports") == dial.peers.ports
    assert "error" in await dial.control("GET", "nowhere")
    assert "error" in await dial.control("POST", "release")


async def test_relay_passes_bytes_until_it_is_cut_and_heals(dial: Dial) -> None:
    assert (await dial.get("bytes/200000", "relay_origin")).body == body_of(CASE, 200_000)

    cut = await dial.control("POST", "relay/origin/cut?ms=0")
    with pytest.raises(aiohttp.ClientConnectorError):
        await dial.get("bytes/1", "relay_origin")
    healed = await dial.control("POST", "relay/origin/heal")

    assert (cut["open"], healed["open"], healed["cuts"]) == (False, True, 1)
    assert (await dial.get("bytes/1", "relay_origin")).status == 200


async def test_cut_drops_live_connections_and_heals_by_itself(dial: Dial) -> None:
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(5):
        held = tasks.create_task(asyncio.wait_for(dial.ending("hang", "relay_origin"), 5))
        while not (await dial.control("GET", "relay/origin"))["connections"]:
            pass
        await dial.control("POST", "relay/origin/cut?ms=50")

    assert held.result() == "reset"
    async with asyncio.timeout(5):
        while not (await dial.control("GET", "relay/origin"))["open"]:
            pass
    assert (await dial.get("bytes/1", "relay_origin")).status == 200


async def test_second_cut_outlasts_the_healing_of_the_first(dial: Dial) -> None:
    await dial.control("POST", "relay/origin/cut?ms=1")
    await dial.control("POST", "relay/origin/cut?ms=60000")

    assert await dial.ending("bytes/1", "relay_origin") == "refused"


@pytest.mark.parametrize("path", ["relay/none", "relay/origin/mend"])
async def test_mistakes_are_answered(dial: Dial, path: str) -> None:
    assert "error" in await dial.control("POST", path)


def test_arguments_name_ports_and_relays() -> None:
    given = ["--free", "--port", "origin=1234", "--relay", "s3=0:minio:9000"]

    options = options_of(parse(given))

    assert (options.ports["origin"], options.ports["proxy"]) == (1234, 0)
    assert options.relays["s3"].target == ("minio", 9000)


def test_without_arguments_it_is_what_compose_needs() -> None:
    options = options_of(parse([]))

    assert (options.host, options.ports) == ("0.0.0.0", PORTS)
    assert {name: spec.port for name, spec in options.relays.items()} == {
        "iggy": 18090,
        "minio": 19000,
    }


def test_unknown_listener_is_refused() -> None:
    with pytest.raises(SystemExit, match="no listener 'nope'"):
        options_of(parse(["--port", "nope=1"]))


async def test_program_tells_its_ports_and_ends_on_a_signal(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mocks", "--host", "127.0.0.1", "--free", "--ca-out", authority),
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    async with asyncio.timeout(30):
        ports = json.loads(await program.stdout.readline())
        program.send_signal(signal.SIGTERM)
        code = await program.wait()

    assert set(ports) == set(PORTS)
    assert authority.read_bytes().startswith(b"-----BEGIN CERTIFICATE")
    assert code == 0
