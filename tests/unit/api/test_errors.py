"""Every failure has one HTTP answer, in one shape."""

from typing import Any

import msgspec
import pytest

from fetchbox.api.errors import API_CODE_OF, STATUS_OF, ApiCode, problem_of
from fetchbox.model.failure import FailureCode, FetchBoxError, failure


def test_every_failure_code_has_an_answer() -> None:
    assert set(API_CODE_OF) == set(FailureCode)


def test_every_api_code_has_a_status() -> None:
    assert set(STATUS_OF) == set(ApiCode)


@pytest.mark.parametrize(
    ("code", "status", "api_code"),
    [
        (FailureCode.VALIDATION_INVALID_JSON, 400, "INVALID_PAYLOAD"),
        (FailureCode.AUTH_UNAUTHORIZED, 401, "UNAUTHORIZED"),
        (FailureCode.VALIDATION_UNSUPPORTED_JOB_TYPE, 403, "UNSUPPORTED_JOB_TYPE"),
        (FailureCode.VALIDATION_PAYLOAD_TOO_LARGE, 413, "PAYLOAD_TOO_LARGE"),
        (FailureCode.HANDLER_INVALID_MANIFEST, 500, "INTERNAL_ERROR"),
        (FailureCode.HANDLER_TASK_GENERATION, 500, "INTERNAL_ERROR"),
        (FailureCode.HANDLER_FINALIZATION, 500, "INTERNAL_ERROR"),
        (FailureCode.HANDLER_FATAL, 500, "INTERNAL_ERROR"),
        (FailureCode.SYSTEM_INTERNAL, 500, "INTERNAL_ERROR"),
        (FailureCode.STORAGE_ERROR, 502, "STORAGE_ERROR"),
        (FailureCode.STORAGE_UNAVAILABLE, 503, "STORAGE_UNAVAILABLE"),
        (FailureCode.SYSTEM_QUEUE_UNAVAILABLE, 503, "QUEUE_UNAVAILABLE"),
        (FailureCode.SYSTEM_REQUEST_TIMEOUT, 503, "REQUEST_TIMEOUT"),
        (FailureCode.UPLOAD_ACCESS_DENIED, 502, "STORAGE_ERROR"),
        (FailureCode.UPLOAD_NETWORK, 503, "STORAGE_UNAVAILABLE"),
        (FailureCode.DOWNLOAD_TIMEOUT, 500, "INTERNAL_ERROR"),
    ],
    ids=str,
)
def test_failure_is_answered_as(code: FailureCode, status: int, api_code: str) -> None:
    shown = API_CODE_OF[code]
    assert (STATUS_OF[shown], shown) == (status, api_code)


def test_all_validation_codes_but_two_are_400() -> None:
    special = {
        FailureCode.VALIDATION_UNSUPPORTED_JOB_TYPE,
        FailureCode.VALIDATION_PAYLOAD_TOO_LARGE,
    }
    plain = {code for code in FailureCode if code.startswith("VALIDATION_")} - special
    assert {API_CODE_OF[code] for code in plain} == {ApiCode.INVALID_PAYLOAD}


def shown(error: FetchBoxError) -> Any:
    return msgspec.to_builtins(problem_of(error))


def test_client_mistake_shows_its_facts_with_numbers_as_numbers() -> None:
    cause = failure(
        FailureCode.VALIDATION_HEADER_LIMIT, "too many", resource_id="a", limit=10, actual=11
    )
    assert shown(FetchBoxError(cause)) == {
        "error": {
            "code": "INVALID_PAYLOAD",
            "message": "too many",
            "details": {
                "reason": "VALIDATION_HEADER_LIMIT",
                "resource_id": "a",
                "limit": 10,
                "actual": 11,
            },
        }
    }


def test_a_version_that_looks_like_a_number_stays_text() -> None:
    cause = failure(FailureCode.VALIDATION_UNSUPPORTED_VERSION, "no", actual="2")
    assert shown(FetchBoxError(cause))["error"]["details"]["actual"] == "2"


def test_own_trouble_shows_its_code_and_the_job_only() -> None:
    cause = failure(FailureCode.SYSTEM_QUEUE_UNAVAILABLE, "broker is away", host="10.0.0.7")
    assert shown(FetchBoxError(cause, job_id="j-1")) == {
        "error": {
            "code": "QUEUE_UNAVAILABLE",
            "message": "broker is away",
            "job_id": "j-1",
            "details": {"reason": "SYSTEM_QUEUE_UNAVAILABLE"},
        }
    }
