"""Free ports that stay free while the process on them is down.

Not from the range that the kernel gives to outgoing connections: during a restart one of those
could take the port of the service that is about to come back.
"""

import random
import socket
from typing import Final

LOWEST: Final = 20_000
HIGHEST: Final = 32_000


def free_ports(count: int) -> list[int]:
    """Return ports on 127.0.0.1 that nothing listens on."""
    found: list[int] = []
    candidates = random.sample(range(LOWEST, HIGHEST), HIGHEST - LOWEST)
    while len(found) < count:
        port = candidates.pop()
        if _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
