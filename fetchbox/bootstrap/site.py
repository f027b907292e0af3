"""Any ASGI application as a service beside the others; `fetchbox dev` serves samples with it."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from fetchbox.bootstrap.listeners import Listener, take
from fetchbox.bootstrap.parts import Parts
from fetchbox.settings.values import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteService:
    """Implements `parts.Service`."""

    parts: Parts
    listener: Listener

    async def is_ready(self) -> bool:
        """Nothing it could wait for."""
        return True

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until stopped."""
        await self.listener.serve(self.parts.announce, stop, asyncio.Event())


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What to serve where; `name` is what its listener is called."""

    app: Any
    name: str
    address: Address

    async def open(self, parts: Parts, stack: AsyncExitStack) -> SiteService:
        """Take the address; raises StartError."""
        taken = take(self.name, self.address, stack)
        return SiteService(
            parts=parts, listener=Listener(app=self.app, key=self.name, socket=taken)
        )
