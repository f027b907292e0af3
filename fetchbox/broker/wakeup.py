"""Tells the processes that share a broker file that it changed: Unix datagrams beside the file.

Only a hint. A lost one costs a poll interval, never a message; nothing here may raise for it.
A socket that nobody holds tells as much of its process: it has died.
"""

import asyncio
import hashlib
import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

#: An address of a Unix socket has about 108 bytes, less on some systems.
ADDRESS_BYTES: Final = 100
SIGNAL_BYTES: Final = 1024
SIGNALS_PER_TURN: Final = 64

_log = logging.getLogger(__name__)


def wakeup_folder(database: Path) -> Path:
    """Return where the sockets of `database` lie: beside it, or in the temp folder if too deep."""
    beside = database.with_name(f"{database.name}.wake")
    if len(os.fsencode(beside / _socket_name())) <= ADDRESS_BYTES:
        return beside
    digest = hashlib.sha256(os.fsencode(database)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"fetchbox-{digest}.wake"


def _socket_name() -> str:
    """Name a socket; process ids repeat between containers that share a volume."""
    return f"{os.getpid():07}-{secrets.token_hex(4)}"


def _ignore(_name: str) -> None:
    pass


def _datagram_socket() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.settimeout(0)
    return made


class Wakeup:
    """The socket of this process, and a way to reach everyone's, its own included."""

    def __init__(self, database: Path) -> None:
        """Do nothing yet."""
        self._folder = wakeup_folder(database.absolute())
        #: Names this process among those that share the file, now and at all times.
        self.name = _socket_name()
        self._address = self._folder / self.name
        #: Whether others can reach this process.
        self.is_listening = False

    def open(
        self, on_signal: Callable[[bytes], None], on_death: Callable[[str], object] = _ignore
    ) -> None:
        """From now on call back on the running loop: for every datagram, for every dead process.

        `on_death` gets the name of a process that ended without closing. It comes when something
        is sent, at this process or at another, once.
        """
        self._loop, self._on_death = asyncio.get_running_loop(), on_death
        self._receiver = _datagram_socket()
        self._sender = _datagram_socket()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._receiver.bind(str(self._address))
        except OSError as error:
            _log.warning("broker wake-up unavailable, polling only", extra={"reason": str(error)})
            return
        self._loop.add_reader(self._receiver, self._receive, on_signal)
        self.is_listening = True

    def close(self) -> None:
        """Stop listening."""
        self._loop.remove_reader(self._receiver)
        self._receiver.close()
        self._sender.close()
        with suppress(OSError):
            self._address.unlink(missing_ok=True)

    def send(self, signals: Iterable[bytes]) -> None:
        """Reach every listener; may be called from another thread."""
        with suppress(OSError):
            addresses = [entry.path for entry in os.scandir(self._folder)]
            for signal in signals:
                for address in addresses:
                    self._send(signal, address)

    def _send(self, signal: bytes, address: str) -> None:
        try:
            self._sender.sendto(signal, address)
        except ConnectionRefusedError:  # its process died
            with suppress(OSError, RuntimeError):  # gone already, or our loop has ended
                Path(address).unlink()
                self._loop.call_soon_threadsafe(self._on_death, Path(address).name)
        except OSError:
            pass  # full, so it is about to wake anyway; or just gone

    def _receive(self, on_signal: Callable[[bytes], None]) -> None:
        signals = set()
        with suppress(OSError):
            for _ in range(SIGNALS_PER_TURN):
                signals.add(self._receiver.recv(SIGNAL_BYTES))
        for signal in signals:
            on_signal(signal)
