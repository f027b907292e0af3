"""The bucket of a run, by boto3; for the look after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.common.objects import list_objects, object_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Bucket:
    """See `tests.load.account.Bucket`."""

    client: Any
    name: str

    def sizes(self, prefix: str) -> Mapping[str, int]:
        """Return the size of every object below a prefix, by what follows the prefix."""
        found = list_objects(self.client, self.name, prefix)
        return {key.removeprefix(prefix): listed.size_bytes for key, listed in found.items()}

    def digest(self, key: str) -> str:
        """Return the SHA-256 of an object."""
        return object_digest(self.client, self.name, key)[1]
