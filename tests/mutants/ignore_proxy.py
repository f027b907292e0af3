"""Requests go out directly, whatever proxy the job type has."""

from dataclasses import replace
from typing import Any, Final

from fetchbox.fetch.port import FetchRequest

SEAM: Final = "fetchbox.fetch.http:HttpFetcher.fetch"
KILLED_BY: Final = "tests/integration/test_proxy_fallback.py"


def mutate(original: Any) -> Any:
    def fetch(self: Any, request: FetchRequest) -> Any:
        return original(self, replace(request, proxy=None))

    return fetch
