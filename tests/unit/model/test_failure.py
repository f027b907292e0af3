"""The verdict on every code, and how statuses are classified (contract 5.4)."""

import pytest

from fetchbox.model.failure import VERDICTS, FailureCode, FetchBoxError, fail, failure, http_failure

RETRYABLE = {
    "DOWNLOAD_TIMEOUT",
    "DOWNLOAD_HTTP_5XX",
    "DOWNLOAD_DNS_ERROR",
    "DOWNLOAD_NETWORK_ERROR",
    "DOWNLOAD_INCOMPLETE_BODY",
    "DOWNLOAD_CHECKSUM_MISMATCH",
    "UPLOAD_S3_ERROR",
    "UPLOAD_NETWORK",
    "UPLOAD_THROTTLED",
    "STORAGE_UNAVAILABLE",
    "SYSTEM_QUEUE_UNAVAILABLE",
    "SYSTEM_REQUEST_TIMEOUT",
}
PREFIXES = ("VALIDATION_", "AUTH_", "HANDLER_", "DOWNLOAD_", "UPLOAD_", "STORAGE_", "SYSTEM_")


def test_every_code_has_a_verdict() -> None:
    assert set(VERDICTS) == set(FailureCode)


@pytest.mark.parametrize("code", FailureCode)
def test_verdict_is_that_of_the_taxonomy(code: FailureCode) -> None:
    assert VERDICTS[code] is (code in RETRYABLE)


@pytest.mark.parametrize("code", FailureCode)
def test_code_has_a_prefix_of_the_taxonomy_and_is_its_own_name(code: FailureCode) -> None:
    assert code.startswith(PREFIXES)
    assert code.name == code.value


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        pytest.param(100, "DOWNLOAD_HTTP_UNEXPECTED", False, id="100"),
        pytest.param(302, "DOWNLOAD_HTTP_UNEXPECTED", False, id="302-final"),
        pytest.param(304, "DOWNLOAD_HTTP_UNEXPECTED", False, id="304"),
        pytest.param(400, "DOWNLOAD_HTTP_4XX", False, id="400"),
        pytest.param(403, "DOWNLOAD_HTTP_4XX", False, id="403"),
        pytest.param(404, "DOWNLOAD_HTTP_4XX", False, id="404"),
        pytest.param(408, "DOWNLOAD_HTTP_4XX", True, id="408"),
        pytest.param(429, "DOWNLOAD_HTTP_4XX", True, id="429"),
        pytest.param(499, "DOWNLOAD_HTTP_4XX", True, id="499"),
        pytest.param(500, "DOWNLOAD_HTTP_5XX", True, id="500"),
        pytest.param(501, "DOWNLOAD_HTTP_5XX", True, id="501"),
        pytest.param(503, "DOWNLOAD_HTTP_5XX", True, id="503"),
        pytest.param(599, "DOWNLOAD_HTTP_5XX", True, id="599"),
        pytest.param(999, "DOWNLOAD_HTTP_UNEXPECTED", False, id="999"),
    ],
)
def test_status_is_classified(status: int, code: str, retryable: bool) -> None:  # noqa: FBT001  # a column
    found = http_failure(status)

    assert found is not None
    assert (found.code, found.retryable) == (code, retryable)
    assert found.context == {"status": str(status)}
    assert str(status) in found.message


@pytest.mark.parametrize("status", [200, 201, 204, 206, 299])
def test_any_2xx_is_success(status: int) -> None:
    assert http_failure(status) is None


def test_status_may_come_with_a_message_of_its_own() -> None:
    found = http_failure(502, "the proxy answered")
    assert found is not None
    assert found.message == "the proxy answered"


def test_context_is_text_and_leaves_out_none() -> None:
    made = failure(FailureCode.DOWNLOAD_TOO_LARGE, "too large", limit=5, actual=None, proxy="p#1")
    assert made.context == {"limit": "5", "proxy": "p#1"}


def test_error_carries_its_failure_and_shows_code_and_message() -> None:
    error = fail(FailureCode.DOWNLOAD_TIMEOUT, "no bytes for 30 s", attempt=2)

    assert isinstance(error, FetchBoxError)
    assert error.failure == failure(FailureCode.DOWNLOAD_TIMEOUT, "no bytes for 30 s", attempt=2)
    assert error.job_id is None
    assert str(error) == "DOWNLOAD_TIMEOUT: no bytes for 30 s"
