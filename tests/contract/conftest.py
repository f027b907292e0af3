"""Which event loops a module's tests run on: those it names in LOOPS, or asyncio's own."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, LoopFactory]:
    module = item.getparent(pytest.Module)
    assert module is not None
    own: Mapping[str, LoopFactory] | None = getattr(module.obj, "LOOPS", None)
    return own or {"asyncio": asyncio.new_event_loop}
