"""The one table between failures and HTTP answers, and the shape of every error body.

One of the three places that may catch everything: what is not expected becomes a bare 500.
"""

import logging
from collections.abc import Awaitable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap
from msgspec import UNSET, Struct, UnsetType

from fetchbox.api.access import facts_of
from fetchbox.model.failure import FailureCode, FetchBoxError

logger = logging.getLogger(__name__)

UNAVAILABLE: Final = 503
_OUR_FAULT: Final = 500
RETRY_AFTER: Final[Mapping[str, str]] = {"Retry-After": "1"}

T = TypeVar("T")


class ApiCode(StrEnum):
    """`error.code` of an answer (contract 1.8)."""

    INVALID_PAYLOAD = "INVALID_PAYLOAD"
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    UNSUPPORTED_JOB_TYPE = "UNSUPPORTED_JOB_TYPE"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    STORAGE_ERROR = "STORAGE_ERROR"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    QUEUE_UNAVAILABLE = "QUEUE_UNAVAILABLE"
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"


#: The one status of each code.
STATUS_OF: Final[Mapping[ApiCode, int]] = {
    ApiCode.INVALID_PAYLOAD: 400,
    ApiCode.UNAUTHORIZED: 401,
    ApiCode.FORBIDDEN: 403,
    ApiCode.UNSUPPORTED_JOB_TYPE: 403,
    ApiCode.NOT_FOUND: 404,
    ApiCode.METHOD_NOT_ALLOWED: 405,
    ApiCode.PAYLOAD_TOO_LARGE: 413,
    ApiCode.INTERNAL_ERROR: 500,
    ApiCode.STORAGE_ERROR: 502,
    ApiCode.STORAGE_UNAVAILABLE: UNAVAILABLE,
    ApiCode.QUEUE_UNAVAILABLE: UNAVAILABLE,
    ApiCode.REQUEST_TIMEOUT: UNAVAILABLE,
}

#: What the API can meet; every other code is a worker's and would be a 500 here.
_SHOWN: Final[Mapping[FailureCode, ApiCode]] = {
    FailureCode.VALIDATION_UNSUPPORTED_JOB_TYPE: ApiCode.UNSUPPORTED_JOB_TYPE,
    FailureCode.VALIDATION_PAYLOAD_TOO_LARGE: ApiCode.PAYLOAD_TOO_LARGE,
    FailureCode.AUTH_UNAUTHORIZED: ApiCode.UNAUTHORIZED,
    FailureCode.UPLOAD_S3_ERROR: ApiCode.STORAGE_UNAVAILABLE,
    FailureCode.UPLOAD_NETWORK: ApiCode.STORAGE_UNAVAILABLE,
    FailureCode.UPLOAD_THROTTLED: ApiCode.STORAGE_UNAVAILABLE,
    FailureCode.UPLOAD_ACCESS_DENIED: ApiCode.STORAGE_ERROR,
    FailureCode.UPLOAD_INVALID_BUCKET: ApiCode.STORAGE_ERROR,
    FailureCode.STORAGE_UNAVAILABLE: ApiCode.STORAGE_UNAVAILABLE,
    FailureCode.STORAGE_ERROR: ApiCode.STORAGE_ERROR,
    FailureCode.SYSTEM_QUEUE_UNAVAILABLE: ApiCode.QUEUE_UNAVAILABLE,
    FailureCode.SYSTEM_REQUEST_TIMEOUT: ApiCode.REQUEST_TIMEOUT,
}

API_CODE_OF: Final[Mapping[FailureCode, ApiCode]] = {
    **{
        code: ApiCode.INVALID_PAYLOAD if code.startswith("VALIDATION_") else ApiCode.INTERNAL_ERROR
        for code in FailureCode
    },
    **_SHOWN,
}

#: Answers that Litestar makes itself.
_BY_STATUS: Final[Mapping[int, ApiCode]] = {
    400: ApiCode.INVALID_PAYLOAD,
    403: ApiCode.FORBIDDEN,
    404: ApiCode.NOT_FOUND,
    405: ApiCode.METHOD_NOT_ALLOWED,
    413: ApiCode.PAYLOAD_TOO_LARGE,
}

#: Facts that are numbers where there is a limit; a Failure carries text only.
_NUMBERS: Final = frozenset({"limit", "actual"})


class ErrorBody(Struct, omit_defaults=True, kw_only=True):
    """`error` of an answer; `job_id` only when a job exists."""

    code: str
    message: str
    job_id: str | UnsetType = UNSET
    details: dict[str, str | int] | UnsetType = UNSET


class Problem(Struct, kw_only=True):
    """The body of every answer that is not a success."""

    error: ErrorBody


def problem_of(error: FetchBoxError) -> Problem:
    """Show a failure; a client's mistake with all its facts, our own trouble with its code."""
    cause = error.failure
    code = API_CODE_OF[cause.code]
    details: dict[str, str | int] = {"reason": cause.code}
    if STATUS_OF[code] < _OUR_FAULT:
        details.update(_facts(cause.context))
    return Problem(
        error=ErrorBody(
            code=code,
            message=cause.message,
            job_id=error.job_id or UNSET,
            details=details,
        )
    )


def _facts(context: Mapping[str, str]) -> Mapping[str, str | int]:
    numbers = _NUMBERS if "limit" in context else ()
    return {
        name: int(text) if name in numbers and text.isdecimal() else text
        for name, text in context.items()
    }


def _answer(
    status: int, problem: Problem, headers: Mapping[str, str] | None = None
) -> Response[Problem]:
    extra = RETRY_AFTER if status == UNAVAILABLE else {}
    return Response(
        problem,
        status_code=status,
        headers={**(headers or {}), **extra},
        media_type=MediaType.JSON,
    )


def on_failure(request: Request[Any, Any, Any], error: FetchBoxError) -> Response[Problem]:
    """Answer a failure that a room raised on purpose."""
    status = STATUS_OF[API_CODE_OF[error.failure.code]]
    if status >= _OUR_FAULT:
        level = logging.WARNING if error.failure.retryable else logging.ERROR
        ids = facts_of(request.scope).ids
        facts = {"code": error.failure.code, "cause": error.failure.message, **ids}
        logger.log(level, "request failed", extra=facts)
    return _answer(status, problem_of(error))


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Answer what the framework refuses: unknown routes, wrong verbs."""
    code = _BY_STATUS.get(error.status_code)
    if code is None:
        return on_unexpected(request, error)
    problem = Problem(error=ErrorBody(code=code, message=error.detail))
    return _answer(error.status_code, problem, error.headers)


def on_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Answer anything else with no details; they go to the log."""
    logger.error("request failed unexpectedly", exc_info=error, extra=facts_of(request.scope).ids)
    message = "internal error; the log has the cause under this answer's X-Request-Id"
    problem = Problem(error=ErrorBody(code=ApiCode.INTERNAL_ERROR, message=message))
    return _answer(STATUS_OF[ApiCode.INTERNAL_ERROR], problem)


EXCEPTION_HANDLERS: Final[ExceptionHandlersMap] = {
    FetchBoxError: on_failure,
    HTTPException: on_http_exception,
    Exception: on_unexpected,
}


async def caught(work: Awaitable[T]) -> tuple[T | None, str | None]:
    """Await something that may fail in any way: its result, or a cause fit to be shown."""
    try:
        return await work, None
    except FetchBoxError as error:
        return None, error.failure.message
    except Exception as error:  # a boundary: whatever a probe raises means "down"
        logger.exception("probe failed unexpectedly")
        return None, type(error).__name__
