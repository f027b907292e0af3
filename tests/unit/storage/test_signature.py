"""The examples that Amazon publishes, and what its own library says of stranger requests."""

from collections.abc import Mapping

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fetchbox.storage.signature import UNSIGNED, Signer, authorization

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SIGNER = Signer(access_key=KEY, secret_key=SECRET, region="us-east-1")
EXAMPLE = {"host": "examplebucket.s3.amazonaws.com", "x-amz-date": "20130524T000000Z"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "signature"),
    [
        pytest.param(
            "GET",
            "/test.txt",
            {
                "range": "bytes=0-9",
                "x-amz-content-sha256": (
                    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
                ),
            },
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            id="get-object",
        ),
        pytest.param(
            "PUT",
            "/test%24file.text",
            {
                "date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
                "x-amz-content-sha256": (
                    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
                ),
            },
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            id="put-object",
        ),
    ],
)
def test_published_examples_are_met(
    method: str, path: str, headers: Mapping[str, str], signature: str
) -> None:
    given = authorization(SIGNER, method, path, {**EXAMPLE, **headers})
    listed = ";".join(sorted([*EXAMPLE, *headers]))
    assert given == (
        f"AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request, "
        f"SignedHeaders={listed}, Signature={signature}"
    )


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        pytest.param("/bucket/%C3%BC%20%25/a%2Bb", {}, id="escaped-path"),
        pytest.param("/bucket/k", {"x-amz-meta-note": "a  b   c"}, id="several-spaces"),
        pytest.param("/bucket/k", {"x-amz-meta-note": "=?UTF-8?B?w7w=?="}, id="encoded-word"),
        pytest.param("/bucket/k", {"x-amz-meta-a!b": "", "content-type": "a/b; c=d"}, id="odd"),
        pytest.param("/bucket/k", {"x-amz-security-token": "t/+="}, id="temporary-keys"),
    ],
)
def test_the_sdk_signs_the_same(path: str, headers: Mapping[str, str]) -> None:
    full = {
        "host": "s3.example:9000",
        "x-amz-date": "20261125T023352Z",
        "x-amz-content-sha256": UNSIGNED,
        **headers,
    }
    assert authorization(SIGNER, "PUT", path, full) == _by_the_sdk(path, full)


def _by_the_sdk(path: str, headers: Mapping[str, str]) -> str:
    signer = S3SigV4Auth(Credentials(KEY, SECRET), "s3", "us-east-1")
    request = AWSRequest("PUT", f"http://s3.example:9000{path}", headers=dict(headers))
    request.context["timestamp"] = headers["x-amz-date"]
    request.context["payload_signing_enabled"] = False
    scope, listed = signer.credential_scope(request), ";".join(sorted(headers))
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return (
        f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={listed}, "
        f"Signature={signer.signature(text, request)}"
    )
