"""What only the real client can show: proxies, TLS, redirects, blocked networks, connections."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from fetchbox.fetch.http import HttpFetcher, HttpOptions
from fetchbox.fetch.names import Address, Names, look_up
from fetchbox.fetch.pool import KEEP_ALIVE_S
from fetchbox.fetch.port import FetchError, FetchRequest, Side
from fetchbox.model.failure import FailureCode
from mocks.bodies import body_of
from mocks.listener import Listener
from mocks.peers import Options, Peers, open_peers
from tests.contract.fetchers import BOTH_LOOPS, OPTIONS, closed_port, passes

LOOPS: Final = BOTH_LOOPS
CASE = "http"
PROXIED = FailureCode.DOWNLOAD_NETWORK_ERROR


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    async with open_peers(Options()) as opened:
        yield opened


class Zone:
    """A name server whose answers a test changes; without any, the system's are given."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    def look_up(self, host: str, port: int) -> list[Address]:
        if not self.addresses:
            return look_up(host, port)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", (each, port)) for each in self.addresses
        ]


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture
async def fetcher(
    peers: Peers, zone: Zone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[HttpFetcher]:
    """Trust the authority of the peers, as an operator would: by SSL_CERT_FILE."""
    authority = tmp_path / "ca.pem"
    authority.write_bytes(peers.ca_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    async with HttpFetcher(OPTIONS, Names(zone.look_up, keep_s=0)) as opened:
        yield opened


class Place:
    """Addresses of the peers."""

    def __init__(self, peers: Peers) -> None:
        self.ports = peers.ports

    def origin(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.ports['origin']}/c/{CASE}/{path}"

    def tls(self, path: str) -> str:
        return f"https://127.0.0.1:{self.ports['tls_origin']}/c/{CASE}/{path}"

    def proxy(self, name: str, user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.ports[name]}"


@pytest.fixture
def place(peers: Peers) -> Place:
    return Place(peers)


async def get(
    fetcher: HttpFetcher,
    url: str,
    proxy: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> bytes:
    request = FetchRequest(url=url, proxy=proxy, headers=headers)
    async with fetcher.fetch(request) as response:
        assert response.status == 200
        return b"".join([chunk async for chunk in response.chunks()])


async def echoed(
    fetcher: HttpFetcher, url: str, headers: tuple[tuple[str, str], ...] = ()
) -> dict[str, str]:
    seen: Any = json.loads(await get(fetcher, url, headers=headers))
    return {name.lower(): value for name, value in seen["headers"]}


async def error_of(fetcher: HttpFetcher, url: str, proxy: str | None = None) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await get(fetcher, url, proxy)
    return caught.value


def seen(peers: Peers, role: str) -> list[dict[str, Any]]:
    entries: Any = peers.journal.of(CASE, role)["entries"]
    return list(entries)


# What is sent


async def test_request_has_our_defaults_and_the_given_headers(
    fetcher: HttpFetcher, place: Place
) -> None:
    given = (("x-trace", "7"), ("User-Agent", "Custom/1"), ("accept-encoding", "br"))

    plain = await echoed(fetcher, place.origin("echo"))
    custom = await echoed(fetcher, place.origin("echo"), given)

    assert plain == {
        "host": f"127.0.0.1:{place.ports['origin']}",
        "user-agent": "FetchBox/test",
        "accept": "*/*",
        "accept-encoding": "identity",
    }
    assert (custom["x-trace"], custom["user-agent"], custom["accept-encoding"]) == (
        "7",
        "Custom/1",
        "br",
    )


async def test_url_is_sent_as_given(fetcher: HttpFetcher, place: Place) -> None:
    raw = json.loads(await get(fetcher, place.origin("echo/a%2Fb/%41/../c?q=a+b&x=%7e#fragment")))

    assert raw["target"] == f"/c/{CASE}/echo/a%2Fb/%41/../c?q=a+b&x=%7e"


async def test_non_ascii_url_is_encoded(fetcher: HttpFetcher, place: Place) -> None:
    raw = json.loads(await get(fetcher, place.origin("echo/ü")))

    assert raw["target"] == f"/c/{CASE}/echo/%C3%BC"


async def test_headers_are_sent_in_the_order_given_and_as_utf_8(
    fetcher: HttpFetcher, place: Place
) -> None:
    given = (("b", "2"), ("a", "\u00fc\t x"), ("b", "3"))

    raw = json.loads(await get(fetcher, place.origin("echo"), headers=given))

    sent = [(name, value) for name, value in raw["headers"] if name in {"a", "b"}]
    assert sent == [("b", "2"), ("a", "\u00fc\t x".encode().decode("latin-1")), ("b", "3")]


async def test_compressed_body_is_left_as_received(fetcher: HttpFetcher, place: Place) -> None:
    url = place.origin("bytes/5000?gzip=1")
    async with fetcher.fetch(FetchRequest(url=url)) as response:
        body = b"".join([chunk async for chunk in response.chunks()])

        assert response.header("content-encoding") == "gzip"
    assert body[:2] == b"\x1f\x8b"


@pytest.mark.parametrize("value", ["1\r\nx-b: 2", "1\nx-b: 2", "1\rx-b: 2", "1\0", "\ud800"])
async def test_header_that_cannot_be_sent_is_refused(
    fetcher: HttpFetcher, place: Place, value: str
) -> None:
    with pytest.raises(FetchError) as caught:
        await get(fetcher, place.origin("echo"), headers=(("x-a", value),))

    assert caught.value.failure.code == FailureCode.VALIDATION_INVALID_FIELD
    assert not caught.value.failure.retryable


async def test_environment_proxies_are_ignored(
    fetcher: HttpFetcher, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")

    assert await get(fetcher, place.origin("bytes/10"))


async def test_cookies_are_not_kept(fetcher: HttpFetcher) -> None:
    """Jobs of different tenants share the client."""
    async with playing(b"Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n") as player:
        await get(fetcher, player.url)
        await get(fetcher, player.url)

    assert len(player.requests) == 2
    assert not any(b"cookie" in request.lower() for request in player.requests)


# Redirects


async def test_ten_redirects_are_followed_and_the_eleventh_is_not(
    fetcher: HttpFetcher, place: Place
) -> None:
    assert await get(fetcher, place.origin("redirect/10"))

    error = await error_of(fetcher, place.origin("redirect/11"))
    assert error.failure.code == FailureCode.DOWNLOAD_TOO_MANY_REDIRECTS


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_statuses_are_followed(
    fetcher: HttpFetcher, place: Place, status: int
) -> None:
    assert await get(fetcher, place.origin(f"redirect/1?status={status}"))


@pytest.mark.parametrize("status", [300, 304])
async def test_other_3xx_are_returned(fetcher: HttpFetcher, place: Place, status: int) -> None:
    url = place.origin(f"redirect-to?url=/c/x/echo&status={status}")
    async with fetcher.fetch(FetchRequest(url=url)) as response:
        assert response.status == status


async def test_credentials_stay_with_the_origin_they_were_given_for(
    fetcher: HttpFetcher, place: Place
) -> None:
    secret = (("authorization", "Bearer x"), ("cookie", "a=b"), ("x-kept", "1"))
    here = place.origin(f"redirect-to?url=/c/{CASE}/echo")
    there = place.origin(f"redirect-to?url={place.origin('echo', host='localhost')}")

    same = await echoed(fetcher, here, secret)
    other = await echoed(fetcher, there, secret)

    assert (same["authorization"], same["cookie"], same["x-kept"]) == ("Bearer x", "a=b", "1")
    assert "authorization" not in other
    assert "cookie" not in other
    assert other["x-kept"] == "1"


async def test_userinfo_becomes_a_header_and_is_dropped_on_the_way_elsewhere(
    fetcher: HttpFetcher, place: Place
) -> None:
    with_user = place.origin("echo", host="us%65r:pa%3Ass@127.0.0.1")
    elsewhere = place.origin("echo", host="localhost")
    away = place.origin(f"redirect-to?url={elsewhere}", host="user:secret@127.0.0.1")

    assert (await echoed(fetcher, with_user))["authorization"] == "Basic dXNlcjpwYTpzcw=="
    assert "authorization" not in await echoed(fetcher, away)


# Blocked networks


BLOCKING = replace(OPTIONS, blocked_networks=("127.0.0.0/8", "::1/128"))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"])
async def test_blocked_address_is_never_connected_to(peers: Peers, place: Place, host: str) -> None:
    async with HttpFetcher(BLOCKING) as fetcher:
        error = await error_of(fetcher, place.origin("bytes/1", host=host))

    assert error.failure.code == FailureCode.DOWNLOAD_INVALID_URL
    assert "worker.blocked_networks" in error.failure.message
    assert seen(peers, "origin") == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "017700000001"])
async def test_legacy_form_of_a_blocked_address_is_refused(
    peers: Peers, place: Place, host: str
) -> None:
    async with HttpFetcher(BLOCKING) as fetcher:
        error = await error_of(fetcher, place.origin("bytes/1", host=host))
        through = await error_of(fetcher, place.origin("bytes/1", host=host), place.proxy("proxy"))

    assert error.failure.code == FailureCode.DOWNLOAD_INVALID_URL
    assert through.failure.code == FailureCode.DOWNLOAD_INVALID_URL
    assert seen(peers, "proxy") == []


async def test_name_that_a_proxy_resolves_is_not_checked(peers: Peers, place: Place) -> None:
    """Nor is the proxy itself: it stands in the network an operator blocks for jobs."""
    async with HttpFetcher(BLOCKING) as fetcher:
        url = place.origin("bytes/10", host="localhost")

        assert await get(fetcher, url, place.proxy("proxy"))
    assert len(seen(peers, "proxy")) == 1


async def test_name_cached_for_a_proxy_is_checked_for_a_direct_request(place: Place) -> None:
    """The DNS cache is shared; the check is not in it."""
    async with HttpFetcher(BLOCKING) as fetcher:
        proxy = f"http://localhost:{place.ports['proxy']}"
        assert await get(fetcher, place.origin("bytes/10", host="localhost"), proxy)

        error = await error_of(fetcher, f"http://localhost:{place.ports['proxy']}/")

    assert error.failure.code == FailureCode.DOWNLOAD_INVALID_URL


async def test_name_that_resolves_differently_the_second_time_gains_nothing(
    fetcher: HttpFetcher, place: Place, zone: Zone
) -> None:
    zone.addresses = ["127.0.0.1"]
    assert await get(fetcher, place.origin("eof/10", host="rebinding.test"))

    zone.addresses = ["169.254.169.254", "169.254.169.253"]
    error = await error_of(fetcher, place.origin("eof/10", host="rebinding.test"))

    assert error.failure.code == FailureCode.DOWNLOAD_INVALID_URL


async def test_blocked_address_of_a_name_is_passed_over_for_another(
    fetcher: HttpFetcher, peers: Peers, place: Place, zone: Zone
) -> None:
    zone.addresses = ["169.254.169.254", "127.0.0.1"]

    assert await get(fetcher, place.origin("eof/10", host="mixed.test"))
    assert len(seen(peers, "origin")) == 1


async def test_no_address_of_a_name_is_tried_after_one_has_the_request(
    fetcher: HttpFetcher, place: Place, peers: Peers, zone: Zone
) -> None:
    zone.addresses = ["127.0.0.1", "127.0.0.2"]

    await error_of(fetcher, place.origin("empty", host="twice.test"))

    assert len(seen(peers, "origin")) == 1


async def test_next_address_of_a_name_is_tried_when_one_cannot_be_connected_to(
    fetcher: HttpFetcher, place: Place, zone: Zone
) -> None:
    zone.addresses = ["127.0.0.2", "127.0.0.1"]

    assert await get(fetcher, place.origin("bytes/1", host="two.test"))


@pytest.mark.parametrize("scheme", ["origin", "tls"])
async def test_name_reaches_its_origin(
    fetcher: HttpFetcher, place: Place, peers: Peers, zone: Zone, scheme: str
) -> None:
    """By Host header and by TLS; a name no other resolver knows."""
    zone.addresses = ["127.0.0.1"]
    role = "origin" if scheme == "origin" else "tls_origin"
    url = getattr(place, scheme)("echo").replace("127.0.0.1", "peers")

    assert (await echoed(fetcher, url))["host"] == f"peers:{peers.ports[role]}"


# Proxies


@pytest.mark.parametrize("name", ["proxy", "proxy_auth"])
@pytest.mark.parametrize("scheme", ["origin", "tls"])
async def test_body_arrives_through_a_proxy(
    fetcher: HttpFetcher, peers: Peers, place: Place, name: str, scheme: str
) -> None:
    url = getattr(place, scheme)("bytes/50000")

    body = await get(fetcher, url, place.proxy(name, "fetch:box@"))

    assert body == body_of(CASE, 50000)
    (at_origin,) = seen(peers, "origin" if scheme == "origin" else "tls_origin")
    assert at_origin["via"] == name
    assert "proxy-authorization" not in {key.lower() for key, _ in at_origin["headers"]}


async def test_credentials_do_not_follow_a_redirect_from_plain_to_tls(
    fetcher: HttpFetcher, peers: Peers, place: Place
) -> None:
    url = place.origin(f"redirect-to?url={place.tls('echo')}")

    raw = json.loads(await get(fetcher, url, place.proxy("proxy_auth", "fetch:box@")))

    assert "proxy-authorization" not in {name.lower() for name, _ in raw["headers"]}
    assert seen(peers, "tls_origin")[0]["via"] == "proxy_auth"


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("proxy_407", "origin"),
        ("proxy_407", "tls"),
        ("proxy_502", "tls"),
        ("proxy_connect_403", "tls"),
        ("proxy_connect_502", "tls"),
        ("proxy_auth", "origin"),
        ("proxy_auth", "tls"),
    ],
)
async def test_refusal_of_a_proxy_is_its_own_fault(
    fetcher: HttpFetcher, place: Place, name: str, scheme: str
) -> None:
    proxy = place.proxy(name, "user:hunter2@")

    error = await error_of(fetcher, getattr(place, scheme)("bytes/1"), proxy)

    assert (error.failure.code, error.side) == (PROXIED, Side.PROXY)
    assert "hunter2" not in f"{error!r} {error} {error.failure} {error.__cause__!r}"


async def test_error_status_of_a_plain_proxy_is_returned(
    fetcher: HttpFetcher, place: Place
) -> None:
    """It cannot be told from the origin's."""
    request = FetchRequest(url=place.origin("bytes/1"), proxy=place.proxy("proxy_502"))
    async with fetcher.fetch(request) as response:
        assert response.status == 502


async def test_407_of_an_origin_is_no_fault_of_the_proxy(
    fetcher: HttpFetcher, place: Place
) -> None:
    for url, proxy in (
        (place.origin("status/407"), None),
        (place.tls("status/407"), place.proxy("proxy")),
    ):
        async with fetcher.fetch(FetchRequest(url=url, proxy=proxy)) as response:
            assert response.status == 407


@pytest.mark.parametrize(
    ("proxy", "code"),
    [
        ("http://no-such-proxy.invalid:3128", FailureCode.DOWNLOAD_DNS_ERROR),
        ("socks5://127.0.0.1:1080", FailureCode.DOWNLOAD_NETWORK_ERROR),
        ("http://user:hunter2@:1", FailureCode.DOWNLOAD_NETWORK_ERROR),
    ],
)
async def test_unusable_proxy_is_its_own_fault(
    fetcher: HttpFetcher, place: Place, proxy: str, code: FailureCode
) -> None:
    error = await error_of(fetcher, place.origin("bytes/1"), proxy)

    assert (error.failure.code, error.side) == (code, Side.PROXY)
    assert "hunter2" not in f"{error!r} {error.failure}"


@pytest.mark.parametrize("scheme", ["origin", "tls"])
async def test_failing_origin_behind_a_proxy_is_the_origins_fault(
    fetcher: HttpFetcher, place: Place, scheme: str
) -> None:
    error = await error_of(fetcher, getattr(place, scheme)("empty"), place.proxy("proxy"))

    assert (error.failure.code, error.side) == (FailureCode.DOWNLOAD_NETWORK_ERROR, Side.ORIGIN)


async def test_proxy_that_does_not_answer_connect_times_out_on_its_side(
    place: Place,
) -> None:
    async with HttpFetcher(replace(OPTIONS, connect_timeout_ms=200)) as fetcher:
        error = await error_of(fetcher, place.tls("bytes/1"), place.proxy("proxy_hang"))

    assert (error.failure.code, error.side) == (FailureCode.DOWNLOAD_TIMEOUT, Side.PROXY)
    assert "worker.connect_timeout_ms" in error.failure.message


# TLS


async def test_untrusted_certificate_is_a_network_error_of_the_origin(place: Place) -> None:
    async with HttpFetcher(OPTIONS) as fetcher:
        direct = await error_of(fetcher, place.tls("bytes/1"))
        through = await error_of(fetcher, place.tls("bytes/1"), place.proxy("proxy"))

    for error in (direct, through):
        assert error.failure.code == FailureCode.DOWNLOAD_NETWORK_ERROR
        assert "certificate" in error.failure.message
        assert error.side is Side.ORIGIN


async def test_tls_to_a_port_without_tls_is_a_network_error(fetcher: HttpFetcher) -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 no TLS here\r\n")
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        error = await error_of(fetcher, f"https://127.0.0.1:{port}/")

    assert error.failure.code == FailureCode.DOWNLOAD_NETWORK_ERROR
    assert "no TLS connection" in error.failure.message


# Time


def impatient(**given: int) -> HttpOptions:
    return replace(OPTIONS, **given)  # type: ignore[arg-type]  # only the timeouts are given


async def test_total_limit_covers_body_and_redirects(place: Place) -> None:
    async with HttpFetcher(impatient(download_timeout_ms=300)) as fetcher:
        slow = await error_of(fetcher, place.origin("drip/1000?every=50"))
        silent = await error_of(fetcher, place.origin("hang"))

    assert slow.failure.code == FailureCode.DOWNLOAD_TIMEOUT
    assert silent.failure.code == FailureCode.DOWNLOAD_TIMEOUT


async def test_slow_body_is_no_timeout_while_bytes_arrive(place: Place) -> None:
    async with HttpFetcher(impatient(read_timeout_ms=200)) as fetcher:
        assert len(await get(fetcher, place.origin("drip/8?every=60"))) == 8


@pytest.mark.parametrize("close", [0, 1])
async def test_malformed_chunk_after_the_headers_ends(place: Place, close: int) -> None:
    """The C parser of aiohttp swallows it and its timeout does not fire."""
    async with HttpFetcher(impatient(read_timeout_ms=200)) as fetcher:
        async with asyncio.timeout(5):
            error = await error_of(fetcher, place.origin(f"malformed-chunk?close={close}"))

    assert error.failure.code == FailureCode.DOWNLOAD_INCOMPLETE_BODY


# Connections


async def test_broken_connection_is_not_tried_again(
    fetcher: HttpFetcher, peers: Peers, place: Place
) -> None:
    """As aiohttp would; then the origin sees more requests than the plan counts attempts."""
    await get(fetcher, place.origin("bytes/1"))

    await error_of(fetcher, place.origin("empty"))
    await error_of(fetcher, place.origin("reset"))

    assert [entry["target"].split("/")[3] for entry in seen(peers, "origin")] == [
        "bytes",
        "empty",
        "reset",
    ]


async def test_connection_is_reused_after_a_body_and_dropped_with_one_unread(
    fetcher: HttpFetcher,
) -> None:
    async with playing(b"Content-Length: 2\r\n\r\nok") as player:
        await get(fetcher, player.url)
        await get(fetcher, player.url)
        assert (player.opened, player.closed) == (1, 0)

    async with playing(b"Content-Length: 9000000\r\n\r\n" + b"x" * 1_000_000) as player:
        async with fetcher.fetch(FetchRequest(url=player.url)):
            pass
        await player.until(closed=1)


async def test_idle_connection_is_closed_before_servers_do(fetcher: HttpFetcher) -> None:
    async with playing(b"Content-Length: 2\r\n\r\nok") as player:
        await get(fetcher, player.url)
        async with asyncio.timeout(KEEP_ALIVE_S + 0.9):
            await player.until(closed=1)


@pytest.mark.parametrize("answer", [None, b"Content-Length: 20\r\n\r\nsome"])
async def test_cancelled_fetch_drops_its_connection(
    fetcher: HttpFetcher, answer: bytes | None
) -> None:
    async with playing(answer) as player:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await get(fetcher, player.url)

        await player.until(closed=1)


async def test_reader_may_take_longer_than_the_read_timeout(place: Place) -> None:
    """Storage that is slow is no silence of the origin."""
    async with HttpFetcher(impatient(read_timeout_ms=50)) as fetcher:
        request = FetchRequest(url=place.origin("bytes/5000000"))
        size = 0
        async with fetcher.fetch(request) as response:
            async for chunk in response.chunks():
                if not size:
                    await passes(0.2)
                size += len(chunk)

    assert size == 5_000_000


async def test_fetch_outside_the_context_is_a_bug(place: Place) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await get(HttpFetcher(OPTIONS), place.origin("bytes/1"))


class Player:
    """An origin that gives one answer to everything, and counts."""

    def __init__(self, answer: bytes | None) -> None:
        self.requests: list[bytes] = []
        self.opened = 0
        self.closed = 0
        self.url = ""
        self._answer = answer
        self._changed = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                if self._answer is not None:
                    writer.write(self._answer)
        writer.close()
        async with self._changed:
            self.closed += 1
            self._changed.notify_all()

    async def until(self, *, closed: int) -> None:
        async with self._changed, asyncio.timeout(8):
            await self._changed.wait_for(lambda: self.closed >= closed)


@asynccontextmanager
async def playing(head: bytes | None, status: str = "200 OK") -> AsyncIterator[Player]:
    """Play what follows the status line; None is silence."""
    player = Player(None if head is None else f"HTTP/1.1 {status}\r\n".encode() + head)
    async with Listener("127.0.0.1", 0, player.serve) as listener:
        player.url = f"http://127.0.0.1:{listener.port}/"
        yield player
