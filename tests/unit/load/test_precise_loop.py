"""The generator's event loop: it wakes up in time, for timers and for sockets."""

import asyncio
import socket
import time

from tests.load.precise_loop import PreciseSelector, run_precisely


def test_wait_is_not_rounded_to_milliseconds() -> None:
    """The shortest of many: on a busy machine others may last long."""
    took = []
    with PreciseSelector() as selector:
        for _ in range(50):
            began = time.perf_counter()
            selector.select(0.0002)
            took.append(time.perf_counter() - began)

    assert 0.0002 <= min(took) < 0.0009


def test_socket_ends_a_wait() -> None:
    async def wait() -> bytes:
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)  # noqa: FBT003  # its signature
            loop = asyncio.get_running_loop()
            loop.call_soon(other.send, b"x")
            async with asyncio.timeout(30):
                return await loop.sock_recv(one, 1)

    assert run_precisely(wait()) == b"x"
