"""A manifest is stored as we would write it, not byte for byte."""

import json
from typing import Any, Final

from fetchbox.model.failure import Failure

SEAM: Final = "fetchbox.intake.manifest_store:ManifestStore.put"
KILLED_BY: Final = "tests/integration/test_ingest_to_storage.py"


def mutate(original: Any) -> Any:
    async def put(self: Any, key: str, body: bytes) -> Failure | None:
        fault: Failure | None = await original(self, key, json.dumps(json.loads(body)).encode())
        return fault

    return put
