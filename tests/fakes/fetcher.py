"""A fetcher that answers from a script: per URL a list of answers, the last of which stays."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fetchbox.fetch.port import FetchError, FetchRequest, Side
from fetchbox.model.failure import FailureCode, failure
from fetchbox.model.url_check import url_fault


def fetch_error(code: FailureCode, side: Side = Side.ORIGIN) -> FetchError:
    return FetchError(failure(code, f"scripted: {code}"), side)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer; `breaks` is raised after the body, `is_chunked` hides its length."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunk_bytes: int = 65_536
    is_chunked: bool = False
    breaks: FetchError | None = None

    @property
    def content_length(self) -> int | None:
        return None if self.is_chunked else len(self.body)

    def header(self, name: str) -> str:
        lowered = {key.lower(): value for key, value in self.headers.items()}
        return lowered.get(name.lower(), "")

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.body), self.chunk_bytes):
            yield self.body[start : start + self.chunk_bytes]
        if self.breaks is not None:
            raise self.breaks


class FakeFetcher:
    """Levers: `script` for a URL, `break_proxy` for a proxy. Looks: `requests`, `open`, `peak`."""

    def __init__(self) -> None:
        self.requests: list[FetchRequest] = []
        self.open = 0
        self.peak = 0
        self._scripts: dict[str, list[Answer | FetchError]] = {}
        self._proxies: dict[str, FetchError] = {}
        self._turns: defaultdict[str, int] = defaultdict(int)

    def script(self, url: str, *answers: Answer | FetchError) -> None:
        self._scripts[url] = list(answers)

    def break_proxy(self, uri: str) -> None:
        self._proxies[uri] = fetch_error(FailureCode.DOWNLOAD_NETWORK_ERROR, Side.PROXY)

    @asynccontextmanager
    async def fetch(self, request: FetchRequest) -> AsyncIterator[Answer]:
        self.requests.append(request)
        if url_fault(request.url):
            raise fetch_error(FailureCode.DOWNLOAD_INVALID_URL)
        if request.proxy in self._proxies:
            raise self._proxies[request.proxy]
        script = self._scripts[request.url]
        answer = script[min(self._turns[request.url], len(script) - 1)]
        self._turns[request.url] += 1
        if isinstance(answer, FetchError):
            raise answer
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            yield answer
        finally:
            self.open -= 1
