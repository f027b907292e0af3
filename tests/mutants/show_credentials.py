"""Credentials in a URL are written to the logs."""

from typing import Any, Final

SEAM: Final = "fetchbox.worker.record:mask_url"
KILLED_BY: Final = "tests/integration/test_proxies.py"


def mutate(_: Any) -> Any:
    def mask_url(url: str) -> str:
        return url

    return mask_url
