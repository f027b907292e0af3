"""Showing URLs without what may be secret in them."""

from urllib.parse import urlsplit


def mask_url(url: str) -> str:
    """Replace userinfo and query by `***`, for logs, errors and dead-letter metadata."""
    if "@" not in url and "?" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return "***"
    if "@" in url and not parts.netloc:  # what stands before the @ may be a password
        return "***"
    host = parts.netloc.rpartition("@")[2]
    netloc = f"***@{host}" if host != parts.netloc else host
    return parts._replace(netloc=netloc, query="***" if parts.query else "", fragment="").geturl()
