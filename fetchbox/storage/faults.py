"""What storage's errors mean: tables from S3 code, status and text to our codes (contract 5.4).

The libraries' texts name endpoints, paths and signed URLs, so none of them is passed on.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from fetchbox.model.failure import Failure, FailureCode, failure
from fetchbox.storage.port import StorageError

_DENIED: Final = FailureCode.UPLOAD_ACCESS_DENIED
_BUCKET: Final = FailureCode.UPLOAD_INVALID_BUCKET
_THROTTLED: Final = FailureCode.UPLOAD_THROTTLED
_NETWORK: Final = FailureCode.UPLOAD_NETWORK
_OTHER: Final = FailureCode.UPLOAD_S3_ERROR

#: The codes of S3's XML answers that say more than the status.
S3_CODES: Final[Mapping[str, FailureCode]] = {
    "NoSuchBucket": _BUCKET,
    "InvalidBucketName": _BUCKET,
    "BucketAlreadyExists": _BUCKET,  # asked to create it, and it is somebody else's
    "AccessDenied": _DENIED,
    "AccountProblem": _DENIED,
    "AllAccessDisabled": _DENIED,
    "AuthorizationHeaderMalformed": _DENIED,
    "ExpiredToken": _DENIED,
    "InvalidAccessKeyId": _DENIED,
    "InvalidToken": _DENIED,
    "RequestTimeTooSkewed": _DENIED,
    "SignatureDoesNotMatch": _DENIED,
    "BandwidthLimitExceeded": _THROTTLED,
    "RequestLimitExceeded": _THROTTLED,
    "ServiceUnavailable": _THROTTLED,
    "SlowDown": _THROTTLED,
    "SlowDownRead": _THROTTLED,
    "SlowDownWrite": _THROTTLED,
    "Throttling": _THROTTLED,
    "ThrottlingException": _THROTTLED,
    "TooManyRequests": _THROTTLED,
    "RequestTimeout": _NETWORK,
}
STATUSES: Final[Mapping[int, FailureCode]] = {
    401: _DENIED,
    403: _DENIED,
    408: _NETWORK,
    429: _THROTTLED,
    503: _THROTTLED,
}
#: Texts of errors without an answer; first match wins. The flag: may another try help?
TEXTS: Final[tuple[tuple[str, FailureCode, bool, str], ...]] = (
    ("kind: Connect", _NETWORK, True, "could not connect to storage"),
    ("kind: Timeout", _NETWORK, True, "storage did not answer in time"),
    ("HttpError {", _NETWORK, True, "the connection to storage broke"),
    ("redirect without LOCATION", _OTHER, False, "the bucket is elsewhere: check storage.region"),
    ("(os error 13)", _DENIED, False, "the storage folder may not be written"),
    ("(os error 20)", _OTHER, False, "a part of the key is an object of its own already"),
    ("(os error 21)", _OTHER, False, "the key is a folder of other objects already"),
    ("(os error 36)", _OTHER, False, "a part of the key is too long for a file name"),
    ("(os error 28)", _OTHER, True, "no space is left on the storage disk"),
)
_REMEDIES: Final[Mapping[FailureCode, str]] = {
    _DENIED: "check the storage credentials, region and policy",
    _BUCKET: "create the bucket or correct its name",
}
_ANSWER: Final = re.compile(r"status code: (\d{3})(.*?)(?:\n\nDebug source|\Z)", re.DOTALL)
_S3_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
#: Statuses below 500 after which another try may help.
_RETRYABLE_4XX: Final = frozenset({408, 409, 425, 429})
_SERVER_ERROR: Final = 500
#: What obstore raises.
FAULTS: Final = (BaseError, OSError, ValueError)


def answered(status: int, text: str) -> Failure:
    """Classify an answer of S3 by its code, then by its status."""
    match = _S3_CODE.search(text)
    s3_code = match[1] if match else None
    code = S3_CODES.get(s3_code or "") or STATUSES.get(status) or _OTHER
    shown = f"storage answered {status}" + (f" {s3_code}" if s3_code else "")
    found = failure(code, _with_remedy(code, shown), status=status, s3_code=s3_code)
    if code is _OTHER:
        may_help = status >= _SERVER_ERROR or status in _RETRYABLE_4XX
        return replace(found, retryable=may_help)
    return found


def classify(error: Exception) -> Failure:
    """Say what an exception of obstore stands for."""
    text = str(error)
    if isinstance(error, OSError) and error.errno:
        text = f"(os error {error.errno})"
    if (match := _ANSWER.search(text)) is not None:
        return answered(int(match[1]), match[2])
    for marker, code, may_help, shown in TEXTS:
        if marker in text:
            return replace(failure(code, shown), retryable=may_help)
    if isinstance(error, UnauthenticatedError | PermissionDeniedError):
        return failure(_DENIED, _with_remedy(_DENIED, "storage refused the credentials"))
    cause = failure(_OTHER, f"storage failed ({type(error).__name__})")
    return replace(cause, retryable=not isinstance(error, ValueError))


def refused(code: FailureCode, message: str, **context: object) -> StorageError:
    """Make the error for what no second try can help."""
    return StorageError(replace(failure(code, message, **context), retryable=False))


@contextmanager
def translated(bucket: str) -> Iterator[None]:
    """Turn errors of obstore into StorageError."""
    try:
        yield
    except FAULTS as error:
        raise located(classify(error), bucket) from error


def located(cause: Failure, bucket: str) -> StorageError:
    """Name the bucket."""
    return StorageError(replace(cause, context={**cause.context, "bucket": bucket}))


def _with_remedy(code: FailureCode, text: str) -> str:
    remedy = _REMEDIES.get(code)
    return f"{text}; {remedy}" if remedy else text
