"""The fetchers that the contract suite is run on: the same situations, played or scripted."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol

import uvloop

from fetchbox.fetch.http import HttpFetcher, HttpOptions
from fetchbox.fetch.port import Fetcher, FetchError
from fetchbox.model.failure import FailureCode
from mocks.bodies import body_of
from mocks.peers import Options, Peers, open_peers
from tests.fakes.fetcher import Answer, FakeFetcher, fetch_error

#: Seed and size of the body that every situation with a body has.
CASE: Final = "contract"
SIZE: Final = 100_000
BODY: Final = body_of(CASE, SIZE)
#: The loop that the service runs on, and asyncio's own.
BOTH_LOOPS: Final[Mapping[str, Callable[[], asyncio.AbstractEventLoop]]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
READ_TIMEOUT_MS: Final = 300
OPTIONS: Final = HttpOptions(
    user_agent="FetchBox/test",
    connect_timeout_ms=2000,
    read_timeout_ms=READ_TIMEOUT_MS,
    download_timeout_ms=0,
    blocked_networks=("169.254.0.0/16", "fe80::/10"),
    max_connections=20,
)


class Stage(Protocol):
    """A fetcher, and a URL for each situation."""

    @property
    def fetcher(self) -> Fetcher: ...

    def url(self, situation: str) -> str:
        """Return a URL at which this happens."""
        ...

    def dead_proxy(self) -> str:
        """Return the URI of a proxy nobody can connect to."""
        ...


#: Situation -> what the peers play. `{...}` are ports.
PLAYED: Final[Mapping[str, str]] = {
    "body": f"bytes/{SIZE}?type=text/plain",
    "chunked": f"bytes/{SIZE}?chunked=1",
    "nothing": "bytes/0",
    "404": f"bytes/{SIZE}?status=404",
    "503": f"bytes/{SIZE}?status=503",
    "redirected": f"redirect-to?url=/c/{CASE}/bytes/{SIZE}",
    "redirect without location": "redirect-to",
    "redirect loop": "redirect-loop",
    "redirect to file": "redirect-to?url=file:///etc/passwd",
    "redirect to blocked": "redirect-to?url=http://169.254.169.254/latest",
    "short": f"short/{SIZE}/{SIZE // 2}",
    "reset in the body": f"reset?after={SIZE // 2}",
    "silence in the body": f"hang?after={SIZE // 2}",
    "silence": "hang",
    "reset": "reset",
    "closed": "empty",
    "no http": "garbage",
}

SCRIPTED: Final[Mapping[str, Answer | FetchError]] = {
    "body": Answer(body=BODY, headers={"Content-Type": "text/plain"}),
    "chunked": Answer(body=BODY, is_chunked=True),
    "nothing": Answer(),
    "404": Answer(status=404, body=BODY),
    "503": Answer(status=503, body=BODY),
    "redirected": Answer(body=BODY),
    "redirect without location": Answer(status=302),
    "redirect loop": fetch_error(FailureCode.DOWNLOAD_TOO_MANY_REDIRECTS),
    "redirect to file": fetch_error(FailureCode.DOWNLOAD_INVALID_URL),
    "redirect to blocked": fetch_error(FailureCode.DOWNLOAD_INVALID_URL),
    "short": Answer(
        body=BODY[: SIZE // 2], breaks=fetch_error(FailureCode.DOWNLOAD_INCOMPLETE_BODY)
    ),
    "reset in the body": Answer(
        body=BODY[: SIZE // 2], breaks=fetch_error(FailureCode.DOWNLOAD_INCOMPLETE_BODY)
    ),
    "silence in the body": Answer(
        body=BODY[: SIZE // 2], breaks=fetch_error(FailureCode.DOWNLOAD_TIMEOUT)
    ),
    "silence": fetch_error(FailureCode.DOWNLOAD_TIMEOUT),
    "reset": fetch_error(FailureCode.DOWNLOAD_NETWORK_ERROR),
    "closed": fetch_error(FailureCode.DOWNLOAD_NETWORK_ERROR),
    "no http": fetch_error(FailureCode.DOWNLOAD_NETWORK_ERROR),
    "refused": fetch_error(FailureCode.DOWNLOAD_NETWORK_ERROR),
    "unknown name": fetch_error(FailureCode.DOWNLOAD_DNS_ERROR),
}


def closed_port() -> int:
    """Return a port of 127.0.0.1 at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def passes(seconds: float) -> None:
    """Let time pass on the clock the test is about."""
    ended = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, ended.set)
    await ended.wait()


class HttpStage:
    def __init__(self, fetcher: HttpFetcher, peers: Peers) -> None:
        self.fetcher = fetcher
        self.peers = peers

    def url(self, situation: str) -> str:
        if situation == "refused":
            return f"http://127.0.0.1:{closed_port()}/"
        if situation == "unknown name":
            return "http://no-such-host.invalid/"
        return f"http://127.0.0.1:{self.peers.ports['origin']}/c/{CASE}/{PLAYED[situation]}"

    def dead_proxy(self) -> str:
        return f"http://127.0.0.1:{closed_port()}"


class FakeStage:
    def __init__(self) -> None:
        self.fetcher = FakeFetcher()

    def url(self, situation: str) -> str:
        url = f"http://origin.test/{situation.replace(' ', '-')}"
        self.fetcher.script(url, SCRIPTED[situation])
        return url

    def dead_proxy(self) -> str:
        uri = "http://proxy.test:3128"
        self.fetcher.break_proxy(uri)
        return uri


@asynccontextmanager
async def http_stage() -> AsyncIterator[Stage]:
    async with open_peers(Options()) as peers, HttpFetcher(OPTIONS) as fetcher:
        yield HttpStage(fetcher, peers)


@asynccontextmanager
async def fake_stage() -> AsyncIterator[Stage]:
    yield FakeStage()


STAGES: Final[Mapping[str, Callable[[], AbstractAsyncContextManager[Stage]]]] = {
    "fake": fake_stage,
    "http": http_stage,
}
