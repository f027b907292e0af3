"""Every way a job or a resource can fail, and the verdict on each code (contract 5.4, 1.5, 1.8)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class FailureCode(StrEnum):
    """Codes as they appear in dead letters, snapshots, logs and `details.reason`."""

    VALIDATION_INVALID_CONTENT_TYPE = "VALIDATION_INVALID_CONTENT_TYPE"
    VALIDATION_MISSING_FIELD = "VALIDATION_MISSING_FIELD"
    VALIDATION_INVALID_FIELD = "VALIDATION_INVALID_FIELD"
    VALIDATION_INVALID_ENCODING = "VALIDATION_INVALID_ENCODING"
    VALIDATION_INVALID_JSON = "VALIDATION_INVALID_JSON"
    VALIDATION_UNSUPPORTED_VERSION = "VALIDATION_UNSUPPORTED_VERSION"
    VALIDATION_INVALID_METADATA = "VALIDATION_INVALID_METADATA"
    VALIDATION_RESOURCE_COUNT = "VALIDATION_RESOURCE_COUNT"
    VALIDATION_INVALID_ATTRIBUTES = "VALIDATION_INVALID_ATTRIBUTES"
    VALIDATION_RESOURCE_ID = "VALIDATION_RESOURCE_ID"
    VALIDATION_DUPLICATE_RESOURCE_ID = "VALIDATION_DUPLICATE_RESOURCE_ID"
    VALIDATION_INVALID_URL = "VALIDATION_INVALID_URL"
    VALIDATION_HEADER_LIMIT = "VALIDATION_HEADER_LIMIT"
    VALIDATION_TAG_LIMIT = "VALIDATION_TAG_LIMIT"
    VALIDATION_UNSUPPORTED_JOB_TYPE = "VALIDATION_UNSUPPORTED_JOB_TYPE"
    VALIDATION_PAYLOAD_TOO_LARGE = "VALIDATION_PAYLOAD_TOO_LARGE"

    DOWNLOAD_TIMEOUT = "DOWNLOAD_TIMEOUT"
    DOWNLOAD_HTTP_4XX = "DOWNLOAD_HTTP_4XX"
    DOWNLOAD_HTTP_5XX = "DOWNLOAD_HTTP_5XX"
    DOWNLOAD_HTTP_UNEXPECTED = "DOWNLOAD_HTTP_UNEXPECTED"
    DOWNLOAD_DNS_ERROR = "DOWNLOAD_DNS_ERROR"
    DOWNLOAD_NETWORK_ERROR = "DOWNLOAD_NETWORK_ERROR"
    DOWNLOAD_PROXY_EXHAUSTED = "DOWNLOAD_PROXY_EXHAUSTED"
    DOWNLOAD_INVALID_URL = "DOWNLOAD_INVALID_URL"
    DOWNLOAD_TOO_MANY_REDIRECTS = "DOWNLOAD_TOO_MANY_REDIRECTS"
    DOWNLOAD_INCOMPLETE_BODY = "DOWNLOAD_INCOMPLETE_BODY"
    DOWNLOAD_CHECKSUM_MISMATCH = "DOWNLOAD_CHECKSUM_MISMATCH"
    DOWNLOAD_TOO_LARGE = "DOWNLOAD_TOO_LARGE"

    UPLOAD_S3_ERROR = "UPLOAD_S3_ERROR"
    UPLOAD_NETWORK = "UPLOAD_NETWORK"
    UPLOAD_THROTTLED = "UPLOAD_THROTTLED"
    UPLOAD_ACCESS_DENIED = "UPLOAD_ACCESS_DENIED"
    UPLOAD_INVALID_BUCKET = "UPLOAD_INVALID_BUCKET"

    STORAGE_ERROR = "STORAGE_ERROR"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"

    HANDLER_INVALID_MANIFEST = "HANDLER_INVALID_MANIFEST"
    HANDLER_TASK_GENERATION = "HANDLER_TASK_GENERATION"
    HANDLER_FINALIZATION = "HANDLER_FINALIZATION"
    HANDLER_FATAL = "HANDLER_FATAL"

    AUTH_UNAUTHORIZED = "AUTH_UNAUTHORIZED"

    SYSTEM_PANIC = "SYSTEM_PANIC"
    SYSTEM_DECODE_ERROR = "SYSTEM_DECODE_ERROR"
    SYSTEM_QUEUE_UNAVAILABLE = "SYSTEM_QUEUE_UNAVAILABLE"
    SYSTEM_REQUEST_TIMEOUT = "SYSTEM_REQUEST_TIMEOUT"
    SYSTEM_INTERNAL = "SYSTEM_INTERNAL"


#: Whether another try may help. The one exception is a 4XX, which depends on the status.
VERDICTS: Final[Mapping[FailureCode, bool]] = {
    **dict.fromkeys(FailureCode, False),
    FailureCode.DOWNLOAD_TIMEOUT: True,
    FailureCode.DOWNLOAD_HTTP_5XX: True,
    FailureCode.DOWNLOAD_DNS_ERROR: True,
    FailureCode.DOWNLOAD_NETWORK_ERROR: True,
    FailureCode.DOWNLOAD_INCOMPLETE_BODY: True,
    FailureCode.DOWNLOAD_CHECKSUM_MISMATCH: True,
    FailureCode.UPLOAD_S3_ERROR: True,
    FailureCode.UPLOAD_NETWORK: True,
    FailureCode.UPLOAD_THROTTLED: True,
    FailureCode.STORAGE_UNAVAILABLE: True,
    FailureCode.SYSTEM_QUEUE_UNAVAILABLE: True,
    FailureCode.SYSTEM_REQUEST_TIMEOUT: True,
}

RETRYABLE_4XX: Final = frozenset({408, 429, 499})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What went wrong, for people (`message`) and for programs (`code`, `retryable`, `context`).

    Attributes:
        context: string facts such as `proxy`, `attempt`, `status`, `field`, `limit`, `actual`.

    """

    code: FailureCode
    message: str
    retryable: bool
    context: Mapping[str, str] = field(default_factory=dict)


def failure(code: FailureCode, message: str, **context: object) -> Failure:
    """Make a Failure whose `retryable` follows its verdict. None values are left out."""
    return Failure(
        code=code,
        message=message,
        retryable=VERDICTS[code],
        context={name: str(value) for name, value in context.items() if value is not None},
    )


def http_failure(status: int, message: str = "") -> Failure | None:
    """Classify the status of a final answer: None for 2xx, else the failure it stands for."""
    match status // 100:
        case 2:
            return None
        case 4:
            code, retryable = FailureCode.DOWNLOAD_HTTP_4XX, status in RETRYABLE_4XX
        case 5:
            code, retryable = FailureCode.DOWNLOAD_HTTP_5XX, True
        case _:
            code, retryable = FailureCode.DOWNLOAD_HTTP_UNEXPECTED, False
    text = message or f"origin answered {status}"
    return Failure(code=code, message=text, retryable=retryable, context={"status": str(status)})


class FetchBoxError(Exception):
    """Carries a Failure to the boundary that shows it; `job_id` is set when a job exists."""

    def __init__(self, cause: Failure, *, job_id: str | None = None) -> None:
        """Wrap `cause`."""
        super().__init__(f"{cause.code}: {cause.message}")
        self.failure = cause
        self.job_id = job_id


def fail(code: FailureCode, message: str, **context: object) -> FetchBoxError:
    """Make the error to raise, from a code, what happened and the remedy."""
    return FetchBoxError(failure(code, message, **context))
