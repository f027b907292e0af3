"""All peers together: which listeners there are, opened and closed as one."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from mocks.control import Control
from mocks.journal import Journal
from mocks.listener import Listener
from mocks.origin import Origin
from mocks.proxy import Proxy, Rules
from mocks.relay import Relay
from mocks.tls import make_identity

#: Listeners and their fixed ports.
PORTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "control": 18000,
        "origin": 18001,
        "proxy": 18002,
        "proxy_502": 18003,
        "proxy_407": 18004,
        "proxy_auth": 18005,
        "proxy_connect_403": 18006,
        "proxy_connect_502": 18007,
        "proxy_hang": 18008,
        "tls_origin": 18443,
    }
)
#: Names in the certificate of tls_origin.
TLS_NAMES: Final = ("localhost", "127.0.0.1", "peers")
FREE_PORTS: Final[Mapping[str, int]] = MappingProxyType(dict.fromkeys(PORTS, 0))


@dataclass(frozen=True, kw_only=True)
class RelaySpec:
    """One relay: where it listens and where it leads."""

    port: int
    target: tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to open. Port 0 = a free one."""

    host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=lambda: FREE_PORTS)
    relays: Mapping[str, RelaySpec] = field(default_factory=dict)
    credentials: str = "fetch:box"
    tls_names: tuple[str, ...] = TLS_NAMES


@dataclass(frozen=True, kw_only=True)
class Peers:
    """The open peers: every bound port (relays as `relay_<name>`), and the CA to trust."""

    host: str
    ports: Mapping[str, int]
    ca_pem: bytes
    journal: Journal
    relays: Mapping[str, Relay]
    proxies: Mapping[str, Proxy]


@asynccontextmanager
async def open_peers(options: Options) -> AsyncIterator[Peers]:
    """Open every listener; close them and all connections at the end."""
    journal = Journal()
    proxies = {
        name: Proxy(name, journal, rules) for name, rules in _rules(options.credentials).items()
    }
    relays = {
        name: Relay(options.host, spec.port, spec.target) for name, spec in options.relays.items()
    }
    control = Control(journal, relays, proxies)
    identity = make_identity(options.tls_names)
    async with AsyncExitStack() as exits:
        for name, port in options.ports.items():
            serve = {
                "control": control.serve,
                "origin": Origin(journal).serve,
                "tls_origin": Origin(journal, "tls_origin").serve,
            }.get(name) or proxies[name].serve
            tls = identity.server if name == "tls_origin" else None
            listener = Listener(options.host, port, serve, tls)
            await exits.enter_async_context(listener)
            control.ports[name] = listener.port
        for name, relay in relays.items():
            await exits.enter_async_context(relay)
            control.ports[f"relay_{name}"] = relay.listener.port
        yield Peers(
            host=options.host,
            ports=control.ports,
            ca_pem=identity.ca_pem,
            journal=journal,
            relays=relays,
            proxies=proxies,
        )


def _rules(credentials: str) -> dict[str, Rules]:
    return {
        "proxy": Rules(),
        "proxy_502": Rules(refuse=502),
        "proxy_407": Rules(refuse=407),
        "proxy_auth": Rules(credentials=credentials),
        "proxy_connect_403": Rules(refuse_connect=403),
        "proxy_connect_502": Rules(refuse_connect=502),
        "proxy_hang": Rules(refuse=-1),
    }
