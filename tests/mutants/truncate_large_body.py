"""The last chunk of a body that is uploaded in parts is lost."""

from collections.abc import AsyncIterator
from typing import Any, Final

from fetchbox.storage.port import StoredObject, UploadOptions

SEAM: Final = "fetchbox.storage.objects:ObjectStorage.put_stream"
KILLED_BY: Final = "tests/integration/test_payload_ladder.py"


def mutate(original: Any) -> Any:
    async def put_stream(
        self: Any, options: UploadOptions, chunks: AsyncIterator[bytes]
    ) -> StoredObject:
        stored: StoredObject = await original(self, options, _all_but_last(chunks))
        return stored

    return put_stream


async def _all_but_last(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held: bytes | None = None
    async for chunk in chunks:
        if held is not None:
            yield held
        held = chunk
