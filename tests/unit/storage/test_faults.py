import pytest
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    PermissionDeniedError,
    UnauthenticatedError,
)

from fetchbox.model.failure import FailureCode
from fetchbox.storage.faults import S3_CODES, STATUSES, TEXTS, answered, classify, translated
from fetchbox.storage.port import StorageError

ENDPOINT = "http://minio.internal:9000"
PREFIX = f"Generic S3 error: Error performing PUT {ENDPOINT}/bkt/k in 1.2ms - "
DEBUG = '\n\nDebug source:\nGeneric {\n    store: "S3",\n    source: RetryError('
BROKEN = PREFIX + "HTTP error: error sending request" + DEBUG + "inner: Http(HttpError { kind: {} }"


def answer(status: str, body: str = "") -> str:
    return f"{PREFIX}Server returned non-2xx status code: {status}: {body}{DEBUG}"


def s3_answer(status: str, code: str) -> str:
    return answer(status, f"<?xml?><Error><Code>{code}</Code><Message>x</Message></Error>")


def broken(kind: str) -> str:
    return BROKEN.replace("{}", kind)


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        pytest.param(GenericError(answer("500 X")), "S3_ERROR", True, id="500"),
        pytest.param(GenericError(answer("502 Bad Gateway")), "S3_ERROR", True, id="502"),
        pytest.param(
            GenericError(s3_answer("500 X", "InternalError")), "S3_ERROR", True, id="internal-error"
        ),
        pytest.param(GenericError(answer("400 X")), "S3_ERROR", False, id="400"),
        pytest.param(
            GenericError(s3_answer("400 X", "EntityTooLarge")), "S3_ERROR", False, id="too-large"
        ),
        pytest.param(
            AlreadyExistsError(s3_answer("409 X", "OperationAborted")), "S3_ERROR", True, id="409"
        ),
        pytest.param(
            FileNotFoundError(s3_answer("404 X", "NoSuchUpload")),
            "S3_ERROR",
            False,
            id="404-upload",
        ),
        pytest.param(GenericError("strange"), "S3_ERROR", True, id="unknown"),
        pytest.param(ValueError("bad option"), "S3_ERROR", False, id="value-error"),
        pytest.param(
            GenericError(PREFIX + "Received redirect without LOCATION"),
            "S3_ERROR",
            False,
            id="other-region",
        ),
        pytest.param(GenericError(answer("503 X")), "THROTTLED", True, id="503"),
        pytest.param(GenericError(answer("429 X")), "THROTTLED", True, id="429"),
        pytest.param(
            GenericError(s3_answer("503 X", "SlowDown")), "THROTTLED", True, id="slow-down"
        ),
        pytest.param(
            GenericError(s3_answer("400 X", "RequestTimeout")), "NETWORK", True, id="slow-client"
        ),
        pytest.param(GenericError(broken("Connect")), "NETWORK", True, id="connect"),
        pytest.param(GenericError(broken("Timeout")), "NETWORK", True, id="timeout"),
        pytest.param(GenericError(broken("Request")), "NETWORK", True, id="reset"),
        pytest.param(
            PermissionDeniedError(s3_answer("403 X", "AccessDenied")),
            "ACCESS_DENIED",
            False,
            id="403",
        ),
        pytest.param(UnauthenticatedError(answer("401 X")), "ACCESS_DENIED", False, id="401"),
        pytest.param(UnauthenticatedError("no text"), "ACCESS_DENIED", False, id="401-no-text"),
        pytest.param(
            GenericError(s3_answer("400 X", "ExpiredToken")), "ACCESS_DENIED", False, id="expired"
        ),
        pytest.param(
            FileNotFoundError(s3_answer("404 X", "NoSuchBucket")),
            "INVALID_BUCKET",
            False,
            id="no-bucket",
        ),
        pytest.param(
            GenericError(s3_answer("400 X", "InvalidBucketName")),
            "INVALID_BUCKET",
            False,
            id="bad-bucket",
        ),
        pytest.param(PermissionError(13, "denied"), "ACCESS_DENIED", False, id="eacces"),
        pytest.param(
            GenericError("Unable to open file /x#1: Permission denied (os error 13)"),
            "ACCESS_DENIED",
            False,
            id="local-eacces",
        ),
        pytest.param(
            GenericError("Unable to copy: No space left (os error 28)"), "S3_ERROR", True, id="full"
        ),
        pytest.param(
            GenericError("File name too long (os error 36)"), "S3_ERROR", False, id="long-name"
        ),
    ],
)
def test_an_error_is_classified(error: Exception, code: str, *, retryable: bool) -> None:
    found = classify(error)
    assert found.code == f"UPLOAD_{code}"
    assert found.retryable is retryable


def test_a_key_that_looks_like_an_answer_is_not_taken_for_one() -> None:
    text = f"Error performing PUT {ENDPOINT}/bkt/<Code>NoSuchBucket</Code> - " + answer("500 X")
    assert classify(GenericError(text)).code == FailureCode.UPLOAD_S3_ERROR


def test_the_answer_is_in_the_context() -> None:
    found = classify(GenericError(s3_answer("503 X", "SlowDown")))
    assert found.context == {"status": "503", "s3_code": "SlowDown"}
    assert found.message == "storage answered 503 SlowDown"


def test_neither_endpoint_nor_paths_are_passed_on() -> None:
    for text in [answer("500 X"), broken("Connect"), "/var/lib/secret (os error 13)", "strange"]:
        with pytest.raises(StorageError) as caught, translated("bkt"):
            raise GenericError(text)
        shown = f"{caught.value} {caught.value.failure}"
        assert "minio.internal" not in shown
        assert "/var/lib" not in shown
        assert caught.value.failure.context["bucket"] == "bkt"


def test_other_errors_pass_untouched() -> None:
    with pytest.raises(ZeroDivisionError), translated("bkt"):
        raise ZeroDivisionError


def test_every_row_is_an_upload_code() -> None:
    codes = {*S3_CODES.values(), *STATUSES.values(), *(row[1] for row in TEXTS)}
    assert codes == {code for code in FailureCode if code.startswith("UPLOAD_")}


def test_the_code_says_more_than_the_status() -> None:
    assert answered(400, "<Code>SlowDown</Code>").code == FailureCode.UPLOAD_THROTTLED
    assert answered(503, "<Code>AccessDenied</Code>").code == FailureCode.UPLOAD_ACCESS_DENIED


def test_obstore_errors_are_what_is_translated() -> None:
    assert issubclass(GenericError, BaseError)
    assert not issubclass(FileNotFoundError, BaseError)
