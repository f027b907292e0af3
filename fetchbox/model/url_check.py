"""What is a URL that can be fetched: absolute, http or https, with a host (contract 1.3)."""

import re
from typing import Final
from urllib.parse import urlsplit

_SCHEMES: Final = frozenset({"http", "https"})
#: Almost every real URL; anything else takes the careful way, which accepts all of these too.
_PLAIN: Final = re.compile(
    r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(?::(?:[1-5][0-9]{4}|[0-9]{1,4}))?"
    r"(?:[/?#][\x21-\x7e]*)?"
)
_BLANK: Final = re.compile(r"[\x00-\x20\x7f-\xa0\ud800-\udfff]")


def url_fault(url: str) -> str | None:
    """Say what is wrong with a URL, without showing it (it may hold credentials), or None."""
    if _PLAIN.fullmatch(url):
        return None
    if _BLANK.search(url):
        return "must not contain blanks or control characters; percent-encode them"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "has an invalid host or port"
    if parts.scheme not in _SCHEMES:
        return "must be absolute and start with http:// or https://"
    return None if host else "must name a host"
