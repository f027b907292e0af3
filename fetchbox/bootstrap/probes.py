"""How each component says that it is well (contract 2.5, 2.6)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from fetchbox.api.health import Probe
from fetchbox.bootstrap.parts import Parts
from fetchbox.broker import streams
from fetchbox.broker.port import BrokerUnavailableError
from fetchbox.ledger.port import Ledger
from fetchbox.model.failure import FailureCode, fail
from fetchbox.model.proxies import ProxyPool
from fetchbox.settings.derived import proxy_pools

PROXY_DEADLINE_S: Final = 1.0
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """Asks the parts; a probe returns a detail to show, and raises FetchBoxError when down."""

    parts: Parts

    def of_api(self, ledger: Ledger) -> Mapping[str, Probe]:
        """Return the probes of the API by component."""

        async def ledger_probe() -> str | None:
            await ledger.check()
            return None

        return {
            "ledger": ledger_probe,
            "broker": self.broker,
            "storage": self.storage,
            "proxy_pools": self.proxies,
        }

    async def broker(self) -> str:
        """Ask for the tasks topic."""
        provider = self.parts.settings.broker.provider
        if not await self.parts.broker.describe(streams.TASKS):
            msg = f"{provider}: topics are missing; run fetchbox streams setup"
            raise BrokerUnavailableError(msg)
        return str(provider)

    async def storage(self) -> str:
        """Ask for the default bucket."""
        storage = self.parts.settings.storage
        await self.parts.storage.check(storage.bucket)
        return str(storage.provider)

    async def proxies(self) -> str:
        """Connect to at least one endpoint of every pool."""
        pools = proxy_pools(self.parts.settings)
        async with asyncio.TaskGroup() as group:
            asked = {name: group.create_task(_reaches(pool)) for name, pool in pools.items()}
        silent = sorted(name for name, task in asked.items() if not task.result())
        if silent:
            msg = f"no proxy answers in: {', '.join(silent)}"
            raise fail(FailureCode.DOWNLOAD_NETWORK_ERROR, msg)
        return f"{len(pools)} pools" if pools else "none configured"


async def _reaches(pool: ProxyPool) -> bool:
    """Tell whether any endpoint takes a connection, all asked at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_connects(uri)) for uri in pool.primary]
    return any(task.result() for task in tasks)


async def _connects(uri: str) -> bool:
    parts = urlsplit(uri)
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    try:
        async with asyncio.timeout(PROXY_DEADLINE_S):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
