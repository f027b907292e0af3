"""In which order the proxy endpoints of a task are tried (contract 5.7 rule 1).

Tier order never changes; what an order may change is where a tier begins.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum

from fetchbox.model.proxies import Endpoint, Tier


class FailoverOrder(StrEnum):
    """Values of `worker.proxy_failover_order`."""

    SEQUENTIAL = "sequential"
    ROUND_ROBIN = "round_robin"
    RANDOM = "random"


class Rotation:
    """Flattens tiers to one list of endpoints; remembers only where round robin stands."""

    def __init__(self, order: FailoverOrder, *, seed: int | None = None) -> None:
        """`seed` makes the random order repeatable, for tests."""
        self._order = order
        self._turns: defaultdict[str, int] = defaultdict(int)
        self._random = random.Random(seed)  # noqa: S311  # load spreading, not secrecy

    def arrange(self, tiers: Sequence[Tier]) -> tuple[Endpoint, ...]:
        """Return the endpoints in the order in which one task tries them."""
        if not tiers:
            return ()
        arranged = tiers
        if self._order is FailoverOrder.ROUND_ROBIN:
            arranged = [self._turned(tiers[0]), *tiers[1:]]
        elif self._order is FailoverOrder.RANDOM:
            arranged = [tuple(self._random.sample(tier, len(tier))) for tier in tiers]
        return tuple(endpoint for tier in arranged for endpoint in tier)

    def _turned(self, tier: Tier) -> Tier:
        pool = tier[0].pool
        start = self._turns[pool] % len(tier)
        self._turns[pool] += 1
        return tier[start:] + tier[:start]
