"""The fetch port: one GET, through one proxy or none, redirects followed.

Every adapter and the fake pass `tests/contract/test_fetcher_contract.py`.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from fetchbox.model.failure import Failure, FetchBoxError


class Side(StrEnum):
    """Who failed: contract 5.7 treats the proxy and the origin differently."""

    PROXY = "proxy"
    ORIGIN = "origin"


class FetchError(FetchBoxError):
    """The request, or the reading of its body, failed."""

    def __init__(self, cause: Failure, side: Side = Side.ORIGIN) -> None:
        """Wrap `cause` and say whose fault it was."""
        super().__init__(cause)
        self.side = side


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """One GET. `proxy` is a proxy URI with optional userinfo, None = direct."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    proxy: str | None = None


class FetchResponse(Protocol):
    """An answer whose body has not been read. Header names in `header` are case-insensitive."""

    @property
    def status(self) -> int:
        """Final status after redirects."""
        ...

    @property
    def content_length(self) -> int | None:
        """Announced size of the body in bytes, None when unknown."""
        ...

    def header(self, name: str) -> str:
        """Return the first value of a header, or the empty string."""
        ...

    async def read(self) -> bytes:
        """Return the body whole, where `content_length` tells that it is small.

        Raises as `chunks` does.
        """
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as received (no decompression).

        Raises FetchError: DOWNLOAD_TIMEOUT after `read_timeout` without bytes,
        DOWNLOAD_INCOMPLETE_BODY when it ends early or breaks.
        """
        ...


class Fetcher(Protocol):
    """The HTTP client."""

    def fetch(self, request: FetchRequest) -> AbstractAsyncContextManager[FetchResponse]:
        """Send the request; raises FetchError with the code of contract 5.4.

        Checks every hop: only http and https, not into a blocked network, at most 10 redirects;
        Authorization and Cookie are dropped on a redirect to another origin.
        """
        ...
