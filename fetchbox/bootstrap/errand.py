"""One short piece of work on the broker and storage of a configuration, then the end."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

from fetchbox.bootstrap.parts import Parts, open_parts
from fetchbox.bootstrap.run import tell_nobody
from fetchbox.settings.settings import Settings
from fetchbox.telemetry.logs import configure_logging

T = TypeVar("T")


def run_errand(settings: Settings, work: Callable[[Parts], Awaitable[T]]) -> T:
    """Open the parts, do the work, close them; warnings go to stderr. Raises StartError."""
    configure_logging("warn", sys.stderr)

    async def run() -> T:
        async with AsyncExitStack() as stack:
            return await work(await open_parts(settings, tell_nobody, stack))

    return asyncio.run(run())
