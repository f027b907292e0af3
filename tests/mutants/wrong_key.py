"""Folders in a resource id are dropped from its object's key, so that a/x and b/x collide."""

from typing import Any, Final

from fetchbox.model.task import StorageHint

SEAM: Final = "fetchbox.worker.target:resource_key"
KILLED_BY: Final = "tests/integration/test_ingest_to_storage.py"


def mutate(original: Any) -> Any:
    def resource_key(
        *,
        job_type: str,
        job_id: str,
        resource_id: str,
        hint: StorageHint | None,
        default_prefix: str = "",
    ) -> str:
        return str(
            original(
                job_type=job_type,
                job_id=job_id,
                resource_id=resource_id.rpartition("/")[2],
                hint=hint,
                default_prefix=default_prefix,
            )
        )

    return resource_key
