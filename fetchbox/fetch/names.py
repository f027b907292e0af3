"""Names to addresses, by the system's resolver; an answer serves for some seconds."""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from fetchbox.fetch.errors import InvalidHostError, UnknownNameError

#: Family, kind, protocol, canonical name and address, as the system gives them.
Address = tuple[int, int, int, str, tuple[Any, ...]]
#: Asks for host and port; may block.
Lookup = Callable[[str, int], list[Address]]

KEEP_S: Final = 10.0
_MAX_KEPT: Final = 4096
_THREADS: Final = 8


def look_up(host: str, port: int) -> list[Address]:
    """Ask the system."""
    flags = socket.AI_ADDRCONFIG
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags))


class Names:
    """Resolves; who asks for the same at once gets the same answer."""

    def __init__(self, lookup: Lookup = look_up, *, keep_s: float = KEEP_S) -> None:
        """`keep_s` is how long an answer serves."""
        self._lookup = lookup
        self._keep_s = keep_s
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="names")
        self._answers: dict[tuple[str, int], tuple[float, asyncio.Future[list[Address]]]] = {}

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Return the addresses, the best first; raises UnknownNameError and InvalidHostError."""
        if (literal := _literal(host, port)) is not None:
            return literal
        try:
            return await asyncio.shield(self._answer(host, port))
        except UnicodeError:
            raise InvalidHostError from None
        except OSError as error:
            raise UnknownNameError(error.strerror or "") from None

    def close(self) -> None:
        """Ask nothing any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _answer(self, host: str, port: int) -> asyncio.Future[list[Address]]:
        loop = asyncio.get_running_loop()
        now = loop.time()
        until, answer = self._answers.pop((host, port), (0.0, None))
        if answer is None or _has_failed(answer) or (answer.done() and now >= until):
            answer = loop.run_in_executor(self._threads, self._lookup, host, port)
            until = now + self._keep_s
        self._answers[host, port] = until, answer
        while len(self._answers) > _MAX_KEPT:
            del self._answers[next(iter(self._answers))]
        return answer


def _has_failed(answer: asyncio.Future[list[Address]]) -> bool:
    return answer.done() and (answer.cancelled() or answer.exception() is not None)


def _literal(host: str, port: int) -> list[Address] | None:
    """Return the one address that the host is, in whatever form; None for a name."""
    try:
        return list(
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        )
    except (OSError, UnicodeError):
        return None
