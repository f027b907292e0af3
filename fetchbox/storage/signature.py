"""Signature Version 4, as S3 takes it in the Authorization header of a request.

Pure: what is signed is what the headers say, the moment and the digest of the body among them.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

#: The digest of a body that nobody hashed.
UNSIGNED: Final = "UNSIGNED-PAYLOAD"
#: How `x-amz-date` is written.
MOMENT: Final = "%Y%m%dT%H%M%SZ"

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_DAY_DIGITS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signs; `token` belongs to temporary keys."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str
    token: str = field(default="", repr=False)


def authorization(signer: Signer, method: str, path: str, headers: Mapping[str, str]) -> str:
    """Sign a request without a query: all its `headers`, by lower-case names.

    `host`, `x-amz-date` and `x-amz-content-sha256` have to be among them; `path` is escaped.
    """
    moment = headers["x-amz-date"]
    names = sorted(headers)
    listed = ";".join(names)
    lines = "".join([f"{name}:{_trimmed(headers[name])}\n" for name in names])
    request = f"{method}\n{path}\n\n{lines}\n{listed}\n{headers['x-amz-content-sha256']}"
    day = moment[:_DAY_DIGITS]
    scope = f"{day}/{signer.region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}"
    key = _day_key(signer.secret_key, day, signer.region)
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{signer.access_key}/{scope}"
    return f"{_ALGORITHM} Credential={credential}, SignedHeaders={listed}, Signature={signature}"


def _trimmed(value: str) -> str:
    """Make one space of several, as the other side will."""
    return " ".join(value.split()) if "  " in value else value.strip()


@lru_cache(maxsize=4)
def _day_key(secret_key: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
