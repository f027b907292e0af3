"""The bodies the origin sends: a test computes the same bytes again from seed and size.

Block k of a body is SHAKE-128 of `SEED:k`, 64 KiB long; the last block is cut to size.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

BLOCK: Final = 65_536


def blocks_of(seed: str, size: int) -> Iterator[bytes]:
    """Yield the body of `size` bytes that `seed` stands for, in blocks of 64 KiB."""
    for number, start in enumerate(range(0, size, BLOCK)):
        block = hashlib.shake_128(f"{seed}:{number}".encode())
        yield block.digest(min(BLOCK, size - start))


def body_of(seed: str, size: int) -> bytes:
    """Return the whole body."""
    return b"".join(blocks_of(seed, size))
