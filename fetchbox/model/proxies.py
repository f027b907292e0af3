"""Proxy pools and the chain of tiers they resolve to (contract 5.6)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyPool:
    """A named pool: ordered primary URIs, ordered names of fallback pools, retry figures."""

    name: str
    primary: tuple[str, ...]
    fallbacks: tuple[str, ...] = ()
    retry_backoff_ms: int = 500
    max_retries: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One proxy to go through. `number` is 1-based within its pool; `uri` may hold credentials."""

    pool: str
    number: int
    uri: str
    retry_backoff_ms: int
    max_retries: int

    @property
    def label(self) -> str:
        """Name the endpoint without its credentials, e.g. `proxies/eu-primary#1`."""
        return f"proxies/{self.pool}#{self.number}"


#: The endpoints of one pool, tried before those of the next.
Tier = tuple[Endpoint, ...]


class PoolCycleError(ValueError):
    """The fallbacks of a pool lead back to it; the message shows the path."""


class UnknownPoolError(ValueError):
    """A pool is named that is not configured; the message names it."""


def pool_name(reference: str) -> str:
    """Strip the `pools/` or `proxies/` prefix a reference may carry."""
    return reference.removeprefix("pools/").removeprefix("proxies/")


def resolve_tiers(pools: Mapping[str, ProxyPool], references: Iterable[str]) -> tuple[Tier, ...]:
    """Flatten pools to tiers: each pool's primaries, then fallbacks depth-first, each once.

    Raises UnknownPoolError or PoolCycleError.
    """
    tiers: dict[str, Tier] = {}
    for reference in references:
        _collect(pools, pool_name(reference), (), tiers)
    return tuple(tiers.values())


def _collect(
    pools: Mapping[str, ProxyPool], name: str, path: tuple[str, ...], tiers: dict[str, Tier]
) -> None:
    if name in path:
        msg = "proxy pools form a cycle: " + " -> ".join((*path[path.index(name) :], name))
        raise PoolCycleError(msg)
    if name in tiers:
        return
    pool = pools.get(name)
    if pool is None:
        msg = f"proxy pool {name!r} is not configured"
        raise UnknownPoolError(msg)
    tiers[name] = tuple(
        Endpoint(
            pool=name,
            number=number,
            uri=uri,
            retry_backoff_ms=pool.retry_backoff_ms,
            max_retries=pool.max_retries,
        )
        for number, uri in enumerate(pool.primary, start=1)
    )
    for fallback in pool.fallbacks:
        _collect(pools, pool_name(fallback), (*path, name), tiers)
