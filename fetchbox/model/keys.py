"""Object keys: where manifests and resources are stored (contract 5.8)."""

from fetchbox.model.task import StorageHint


def manifest_object_key(job_type: str, job_id: str, default_prefix: str = "") -> str:
    """Key of a manifest; always in the default bucket."""
    return f"{default_prefix}manifests/{job_type}/{job_id}/metadata.json"


def manifest_uri(bucket: str, key: str) -> str:
    """Full URI of a manifest as clients see it; `s3://` for local storage too."""
    return f"s3://{bucket}/{key}"


def resource_key(
    *,
    job_type: str,
    job_id: str,
    resource_id: str,
    hint: StorageHint | None,
    default_prefix: str = "",
) -> str:
    """Key of a resource: the hint's full key, else its prefix + id, else the default template."""
    if hint is not None and hint.key:
        return hint.key
    if hint is not None and hint.key_prefix:
        return f"{hint.key_prefix.rstrip('/')}/{resource_id}"
    return f"{default_prefix}resources/{job_type}/{job_id}/{resource_id}"
