"""Rules over several keys (contract 7.3). Each names the sections it needs to be sound."""

from collections.abc import Callable, Iterator
from typing import Final

from fetchbox.handlers.registry import HandlerPathError, load_handler
from fetchbox.model.proxies import PoolCycleError, UnknownPoolError, pool_name, resolve_tiers
from fetchbox.settings.derived import proxy_pools
from fetchbox.settings.problems import Problem
from fetchbox.settings.sections import MIB, BrokerProvider, HandlerSection, StorageProvider
from fetchbox.settings.settings import Settings

Check = Callable[[Settings], Iterator[Problem]]

LARGEST_MANIFEST: Final = 5 * MIB
#: What a connection string of the Iggy SDK cannot carry.
_IGGY_RESERVED: Final = frozenset("@:/?&=")


def check_manifest_size(settings: Settings) -> Iterator[Problem]:
    """Large manifests need a second, explicit word."""
    size = settings.server.max_manifest_bytes
    if size > LARGEST_MANIFEST and not settings.server.allow_large_manifests:
        yield Problem(
            path=("server", "max_manifest_bytes"),
            value=size,
            text="must be at most 5MB; set server.allow_large_manifests = true to permit more",
        )


def check_storage_keys(settings: Settings) -> Iterator[Problem]:
    """S3 wants both keys, or neither: then the SDK finds credentials."""
    storage = settings.storage
    if storage.provider is not StorageProvider.S3:
        return
    given = {"access_key": storage.access_key, "secret_key": storage.secret_key}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == 1:
        yield Problem(
            path=("storage", missing[0]),
            is_absent=True,
            text="is missing; with storage.provider = s3 set both keys, or neither",
        )


def check_iggy(settings: Settings) -> Iterator[Problem]:
    """Iggy wants a user and a password that its SDK can be told."""
    if settings.broker.provider is not BrokerProvider.IGGY:
        return
    secret = settings.iggy.client_secret
    if secret is None:
        yield Problem(
            path=("iggy", "client_secret"),
            is_absent=True,
            text="is missing; with broker.provider = iggy set it, or IGGY_CLIENT_SECRET",
        )
    texts = {"client_id": settings.iggy.client_id}
    if secret is not None:
        texts["client_secret"] = secret.get_secret_value()
    for name, text in texts.items():
        if _IGGY_RESERVED & set(text):
            yield Problem(
                path=("iggy", name),
                value=text,
                text="must not contain any of @ : / ? & =; choose another",
            )


def check_pools(settings: Settings) -> Iterator[Problem]:
    """Fallbacks exist and form no cycle."""
    pools = proxy_pools(settings)
    cycles: set[frozenset[str]] = set()
    for name, pool in settings.proxy.pools.items():
        path = ("proxy", "pools", name, "fallbacks")
        for fallback in map(pool_name, pool.fallbacks):
            if fallback not in pools:
                yield Problem(path=path, value=fallback, text=_unknown_pool(settings))
        try:
            resolve_tiers(pools, [name])
        except UnknownPoolError:
            continue  # reported where it is named
        except PoolCycleError as error:
            members = frozenset(str(error).partition(": ")[2].split(" -> "))
            if members not in cycles:
                cycles.add(members)
                text = f"{error}; remove one of these fallbacks"
                yield Problem(path=path, value=list(pool.fallbacks), text=text)


def check_handler_pools(settings: Settings) -> Iterator[Problem]:
    """Every job type's pool exists."""
    for name, section in settings.handlers.items():
        if section.proxy_pool and pool_name(section.proxy_pool) not in settings.proxy.pools:
            path = ("handlers", name, "proxy_pool")
            yield Problem(path=path, value=section.proxy_pool, text=_unknown_pool(settings))


def check_handler_classes(settings: Settings) -> Iterator[Problem]:
    """Every handler can be made. Not among CHECKS: workers do without the code of handlers."""
    for name, section in settings.handlers.items():
        try:
            load_handler(name, section.handler)
        except HandlerPathError as error:
            path = ("handlers", name, "handler")
            yield Problem(path=path, value=section.handler, text=error.fault)


def check_handlers(settings: Settings) -> Iterator[Problem]:
    """The cap of a job type is a cap, its headers are headers."""
    for name, section in settings.handlers.items():
        yield from _check_cap(name, section)
        yield from _check_headers(name, section)


def _check_cap(name: str, section: HandlerSection) -> Iterator[Problem]:
    cap = section.options.get("max_parallel_downloads", 1)
    if isinstance(cap, bool) or not isinstance(cap, int) or cap < 1:
        path = ("handlers", name, "options", "max_parallel_downloads")
        yield Problem(path=path, value=cap, text="must be a whole number of at least 1")


def _check_headers(name: str, section: HandlerSection) -> Iterator[Problem]:
    for header, value in section.default_headers.items():
        if any(char in f"{header}{value}" for char in "\r\n\0") or not header.strip():
            path = ("handlers", name, "default_headers", header)
            text = "must not contain line breaks; a header needs a name"
            yield Problem(path=path, value=value, text=text)


def _unknown_pool(settings: Settings) -> str:
    known = ", ".join(sorted(settings.proxy.pools)) or "none"
    return f"no such proxy pool; configured: {known}"


#: Each rule with the sections it looks at.
CHECKS: Final[tuple[tuple[frozenset[str], Check], ...]] = (
    (frozenset({"server"}), check_manifest_size),
    (frozenset({"storage"}), check_storage_keys),
    (frozenset({"broker", "iggy"}), check_iggy),
    (frozenset({"proxy"}), check_pools),
    (frozenset({"handlers", "proxy"}), check_handler_pools),
    (frozenset({"handlers"}), check_handlers),
)
