"""What travels with an object as HTTP headers: the content headers and user metadata.

A header carries printable ASCII only. A metadata value with anything else is sent as an RFC 2047
encoded word, the form S3 itself uses; in a name, and in content headers, it has no meaning.
"""

import base64
import re
from functools import lru_cache
from typing import Final

from fetchbox.storage.port import UploadOptions

OCTET_STREAM: Final = "application/octet-stream"

_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*")
_NOT_TOKEN: Final = re.compile(r"[^a-z0-9!#$%&'*+.^_`|~-]+")


def plain_attributes(options: UploadOptions) -> dict[str, str]:
    """Collect the attributes as they are, names in lower case; content headers win."""
    attributes = {name.lower(): value for name, value in options.metadata.items()}
    attributes["content-type"] = options.content_type
    if options.content_encoding:
        attributes["content-encoding"] = options.content_encoding
    return {_encodable(name): _encodable(value) for name, value in attributes.items()}


def _encodable(text: str) -> str:
    """Replace lone surrogates: HTTP libraries put them for bytes that are no UTF-8."""
    return text.encode(errors="replace").decode()


def header_attributes(options: UploadOptions) -> dict[str, str]:
    """Collect the attributes in a form that is safe in HTTP headers."""
    metadata = {_header_name(name): value for name, value in options.metadata.items()}
    metadata.pop("", None)
    attributes = {name: _header_value(value) for name, value in metadata.items()}
    attributes["content-type"] = _printable(options.content_type) or OCTET_STREAM
    if encoding := _printable(options.content_encoding):
        attributes["content-encoding"] = encoding
    return attributes


@lru_cache(maxsize=256)
def _header_name(name: str) -> str:
    return _NOT_TOKEN.sub("-", name.lower()).strip("-")


def _header_value(value: str) -> str:
    if _PRINTABLE.fullmatch(value):
        return value.strip()
    encoded = base64.b64encode(_encodable(value).encode()).decode()
    return f"=?UTF-8?B?{encoded}?="


def _printable(value: str) -> str:
    return value.strip() if _PRINTABLE.fullmatch(value) else ""
