"""What to do after each attempt: try again, where and when, or give up (contract 5.5, 5.7).

Pure: no I/O, no clock. One plan per task; nothing is remembered between tasks.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from fetchbox.model.failure import Failure, FailureCode, failure
from fetchbox.model.proxies import Endpoint
from fetchbox.model.retry import backoff_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLimits:
    """Figures of contract 5.1 that bound a plan; limits count attempts in total."""

    download_retry_limit: int = 3
    storage_retry_limit: int = 3
    retry_backoff_ms: int = 1000
    max_backoff_ms: int = 30_000


@dataclass(frozen=True, slots=True)
class Try:
    """Wait, then make an attempt; `endpoint` None means a direct connection."""

    endpoint: Endpoint | None
    after_ms: int = 0


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt is made; this failure stands."""

    failure: Failure


Step = Try | GiveUp


class DownloadPlan:
    """The attempts of one task over its endpoints; an empty chain means direct connections."""

    __slots__ = ("_at", "_endpoints", "_last", "_limits", "_struck", "_through", "failed", "stored")

    def __init__(self, endpoints: Sequence[Endpoint], limits: PlanLimits) -> None:
        """Start before the first attempt."""
        self._endpoints = endpoints
        self._limits = limits
        self._at = 0
        self._struck: set[int] = set()
        self._through: defaultdict[str, int] = defaultdict(int)
        self._last: Failure | None = None
        #: Counted download attempts that failed, and upload attempts that failed.
        self.failed = 0
        self.stored = 0

    @property
    def budget(self) -> int:
        """How many counted download attempts the task has, so that every tier is reached."""
        return max(self._limits.download_retry_limit, len(self._endpoints))

    @property
    def failures(self) -> int:
        """Failed attempts so far, downloads and uploads together."""
        return self.failed + self.stored

    def first(self) -> Try:
        """Begin with the first endpoint."""
        return Try(self._endpoints[0] if self._endpoints else None)

    def after_proxy_failure(self, cause: Failure) -> Step:
        """Strike the endpoint and go to the next at once: not an attempt, no back-off."""
        self._struck.add(self._at)
        return self._next(0) or self._exhausted(cause)

    def after_origin_failure(self, cause: Failure, *, retry_after_ms: int | None = None) -> Step:
        """Count the attempt; a retryable one is followed by the next endpoint after a back-off."""
        self.failed += 1
        self._last = cause
        endpoint = self._endpoints[self._at] if self._endpoints else None
        if endpoint is not None:
            self._through[endpoint.pool] += 1
        if not cause.retryable or self.failed >= self.budget:
            return GiveUp(cause)
        base = endpoint.retry_backoff_ms if endpoint else self._limits.retry_backoff_ms
        wait = self._wait_ms(base, self.failed, retry_after_ms)
        return (self._next(wait) if endpoint else Try(None, wait)) or GiveUp(cause)

    def after_upload_failure(self, cause: Failure) -> Step:
        """Count against the storage limit only, and come back through the same endpoint."""
        self.stored += 1
        if not cause.retryable or self.stored >= self._limits.storage_retry_limit:
            return GiveUp(cause)
        wait = self._wait_ms(self._limits.retry_backoff_ms, self.stored, None)
        return Try(self._endpoints[self._at] if self._endpoints else None, wait)

    def _wait_ms(self, base_ms: int, failed: int, retry_after_ms: int | None) -> int:
        cap = self._limits.max_backoff_ms
        return max(backoff_ms(base_ms, failed, cap), min(retry_after_ms or 0, cap))

    def _next(self, after_ms: int) -> Try | None:
        """Find the next endpoint, wrapping: neither struck nor of a pool that has had its share."""
        count = len(self._endpoints)
        for step in range(1, count + 1):
            index = (self._at + step) % count
            endpoint = self._endpoints[index]
            has_share = self._through[endpoint.pool] < endpoint.max_retries
            if index not in self._struck and has_share:
                self._at = index
                return Try(endpoint, after_ms)
        return None

    def _exhausted(self, cause: Failure) -> GiveUp:
        """Say that the proxies are used up; an origin's own failure, when there was one, stands."""
        if len(self._struck) < len(self._endpoints) and self._last is not None:
            return GiveUp(self._last)
        context = {name: value for name, value in cause.context.items() if name != "status"}
        text = f"every proxy endpoint failed; the last one: {cause.message}"
        return GiveUp(failure(FailureCode.DOWNLOAD_PROXY_EXHAUSTED, text, **context))
