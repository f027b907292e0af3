"""A body that breaks off is taken for a whole one: what has arrived is stored."""

from collections.abc import AsyncIterator
from typing import Any, Final

from fetchbox.fetch.port import FetchError

SEAM: Final = "fetchbox.fetch.http:HttpResponse.chunks"
KILLED_BY: Final = "tests/integration/test_bad_upstreams.py"


def mutate(original: Any) -> Any:
    async def chunks(self: Any) -> AsyncIterator[bytes]:
        try:
            async for chunk in original(self):
                yield chunk
        except FetchError:
            return

    return chunks
