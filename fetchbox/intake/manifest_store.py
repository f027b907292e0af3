"""Where manifests are kept: one object per job, the bytes of the request (contract 1.6 step 6)."""

import logging
from dataclasses import dataclass

from fetchbox.intake.retries import with_retries
from fetchbox.model.failure import Failure, FailureCode, FetchBoxError, failure
from fetchbox.model.retry import RetryPolicy
from fetchbox.storage.port import Storage, UploadOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestStore:
    """Manifests in the default bucket."""

    storage: Storage
    bucket: str
    retry: RetryPolicy

    async def put(self, key: str, body: bytes) -> Failure | None:
        """Store the manifest; return why that was not possible."""
        options = UploadOptions(bucket=self.bucket, key=key, content_type="application/json")
        try:
            await with_retries(self.retry, lambda: self.storage.put(options, body))
        except FetchBoxError as error:
            return _shown(error.failure)
        return None

    async def forget(self, key: str) -> None:
        """Remove the manifest of a job that was not created after all, if that is possible."""
        try:
            await self.storage.delete(self.bucket, key)
        except FetchBoxError as error:
            logger.warning(
                "manifest left behind", extra={"key": key, "cause": error.failure.message}
            )


def _shown(cause: Failure) -> Failure:
    if cause.retryable:
        message = f"the manifest could not be stored: {cause.message}; submit it again"
        return failure(FailureCode.STORAGE_UNAVAILABLE, message)
    message = f"storage refused the manifest: {cause.message}; an operator must look at it"
    return failure(FailureCode.STORAGE_ERROR, message)
