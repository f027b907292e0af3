"""One task from URL to object: attempts after the plan, body to storage. The one retry loop.

A body is never held whole: up to the multipart threshold it is one buffer, beyond that it flows
through in parts.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from fetchbox.fetch.port import Fetcher, FetchError, FetchRequest, FetchResponse, Side
from fetchbox.model.clock import Clock
from fetchbox.model.failure import Failure, FailureCode, failure, http_failure
from fetchbox.model.proxies import Endpoint
from fetchbox.storage.port import Storage, StorageError, StoredObject
from fetchbox.worker.plan import DownloadPlan, GiveUp, PlanLimits, Step, Try
from fetchbox.worker.target import Errand, upload_options

Sleep = Callable[[float], Awaitable[None]]

#: More digits than any delay has; Python refuses to read thousands of them.
_DELAY_DIGITS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """Sizes in bytes; `max_resource` 0 means unlimited."""

    multipart_threshold: int
    max_resource: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A body that arrived in storage."""

    object: StoredObject
    sha256: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a task ended: exactly one of `stored` and `failure` is set."""

    attempts: int
    stored: Stored | None = None
    failure: Failure | None = None
    proxy: str | None = None


class Culprit(StrEnum):
    """Where an attempt failed. A proxy's failure does not count as an attempt (contract 5.7)."""

    PROXY = "proxy"
    ORIGIN = "origin"
    STORAGE = "storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """What observers are told after each attempt that failed."""

    errand: Errand
    failure: Failure
    endpoint: Endpoint | None
    culprit: Culprit
    will_retry: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a download works with. `on_failed` sees every failed attempt.

    `on_downloaded` is told the size of each whole body and how many seconds it took by `timer`,
    from the request to its last byte.
    """

    fetcher: Fetcher
    storage: Storage
    clock: Clock
    on_failed: Callable[[FailedAttempt], None]
    on_downloaded: Callable[[Errand, int, float], None]
    sleep: Sleep = asyncio.sleep
    timer: Callable[[], float] = time.perf_counter


class Downloader:
    """Carries out errands, any number at once."""

    def __init__(self, means: Means, plan: PlanLimits, body: BodyLimits) -> None:
        """Hold no state between errands."""
        self._means = means
        self._plan = plan
        self._body = body

    async def run(self, errand: Errand) -> Ending:
        """Fetch and store one resource; expected failures are returned, not raised."""
        plan = DownloadPlan(errand.endpoints, self._plan)
        step = plan.first()
        while True:
            if step.after_ms:
                await self._means.sleep(step.after_ms / 1000)
            proxy = step.endpoint.label if step.endpoint else None
            match await self._attempt(errand, plan, step.endpoint):
                case Stored() as stored:
                    return Ending(attempts=plan.failures + 1, stored=stored, proxy=proxy)
                case GiveUp(failure=cause):
                    return Ending(attempts=max(plan.failures, 1), failure=cause, proxy=proxy)
                case Try() as step:
                    continue

    async def _attempt(
        self, errand: Errand, plan: DownloadPlan, endpoint: Endpoint | None
    ) -> Stored | Step:
        request = FetchRequest(
            url=errand.task.url,
            headers=errand.headers,
            proxy=endpoint.uri if endpoint else None,
        )
        try:
            return await self._relay(errand, plan, request)
        except FetchError as error:
            cause = _located(error.failure, endpoint, plan.failed + 1)
            step = _after_fetch_error(plan, error, cause, self._means.clock)
            culprit = Culprit.PROXY if error.side is Side.PROXY else Culprit.ORIGIN
        except StorageError as error:
            cause = _located(error.failure, endpoint, plan.stored + 1)
            step = plan.after_upload_failure(cause)
            culprit = Culprit.STORAGE
        self._means.on_failed(
            FailedAttempt(
                errand=errand,
                failure=cause,
                endpoint=endpoint,
                culprit=culprit,
                will_retry=isinstance(step, Try),
            )
        )
        return step

    async def _relay(self, errand: Errand, plan: DownloadPlan, request: FetchRequest) -> Stored:
        started = self._means.timer()
        async with self._means.fetcher.fetch(request) as response:
            self._refuse_bad(response)
            size = response.content_length
            if size is not None and size <= self._body.multipart_threshold:
                body = await response.read()
            else:
                chunks = response.chunks()
                gathered = await self._gather(response, chunks)
                if isinstance(gathered, list):
                    return await self._stream(errand, response, _joined(gathered, chunks), started)
                body = gathered
        self._means.on_downloaded(errand, len(body), self._means.timer() - started)
        return await self._put(errand, plan, response, body)

    def _refuse_bad(self, response: FetchResponse) -> None:
        if (bad := http_failure(response.status)) is not None:
            retry_after = response.header("retry-after")
            if retry_after and response.status in {429, 503}:
                bad = replace(bad, context={**bad.context, "retry_after": retry_after})
            raise FetchError(bad)
        announced = response.content_length
        if announced is not None:
            self._refuse_large(announced)

    def _refuse_large(self, size: int) -> None:
        limit = self._body.max_resource
        if limit and size > limit:
            text = f"the body is larger than worker.max_resource_bytes ({limit})"
            raise FetchError(failure(FailureCode.DOWNLOAD_TOO_LARGE, text, limit=limit))

    async def _gather(
        self, response: FetchResponse, chunks: AsyncIterator[bytes]
    ) -> bytes | list[bytes]:
        """Read a small body whole; of a large one return the parts read so far, maybe none."""
        threshold = self._body.multipart_threshold
        if (response.content_length or 0) > threshold:
            return []
        parts: list[bytes] = []
        size = 0
        async for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            self._refuse_large(size)
            if size > threshold:
                return parts
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _put(
        self, errand: Errand, plan: DownloadPlan, response: FetchResponse, body: bytes
    ) -> Stored:
        """Store a buffered body; a failed upload is tried again from the buffer."""
        digest = hashlib.sha256(body).hexdigest()
        _verify(errand, digest)
        options = upload_options(
            errand,
            content_type=response.header("content-type"),
            content_encoding=response.header("content-encoding"),
            sha256=digest,
        )
        while True:
            try:
                stored = await self._means.storage.put(options, body)
            except StorageError as error:
                await self._wait_for_upload(errand, plan, error)
            else:
                return Stored(object=stored, sha256=digest, status=response.status)

    async def _wait_for_upload(
        self, errand: Errand, plan: DownloadPlan, error: StorageError
    ) -> None:
        """Wait for the next upload attempt, or re-raise when there is none left."""
        if plan.stored + 1 >= self._plan.storage_retry_limit or not error.failure.retryable:
            raise error
        cause = _located(error.failure, None, plan.stored + 1)
        step = plan.after_upload_failure(cause)
        self._means.on_failed(
            FailedAttempt(
                errand=errand,
                failure=cause,
                endpoint=None,
                culprit=Culprit.STORAGE,
                will_retry=True,
            )
        )
        await self._means.sleep(step.after_ms / 1000 if isinstance(step, Try) else 0)

    async def _stream(
        self,
        errand: Errand,
        response: FetchResponse,
        chunks: AsyncGenerator[bytes, None],
        started: float,
    ) -> Stored:
        """Pass a large body through; a fault of the origin aborts the upload."""
        digest = hashlib.sha256()
        size = 0

        async def pass_through() -> AsyncGenerator[bytes, None]:
            nonlocal size
            async with aclosing(chunks):
                async for chunk in chunks:
                    size += len(chunk)
                    self._refuse_large(size)
                    digest.update(chunk)
                    yield chunk
            self._means.on_downloaded(errand, size, self._means.timer() - started)
            _verify(errand, digest.hexdigest())

        options = upload_options(
            errand,
            content_type=response.header("content-type"),
            content_encoding=response.header("content-encoding"),
            sha256=None,
        )
        async with aclosing(pass_through()) as passing:
            stored = await self._means.storage.put_stream(options, passing)
        return Stored(object=stored, sha256=digest.hexdigest(), status=response.status)


async def _joined(head: list[bytes], rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield what was read and then the rest; each chunk is let go of as it leaves."""
    try:
        while head:
            yield head.pop(0)
        async for chunk in rest:
            yield chunk
    finally:
        if isinstance(rest, AsyncGenerator):
            await rest.aclose()


def _verify(errand: Errand, digest: str) -> None:
    if errand.expected_sha256 is not None and digest != errand.expected_sha256:
        text = "the body's SHA-256 differs from the checksum hint"
        raise FetchError(
            failure(
                FailureCode.DOWNLOAD_CHECKSUM_MISMATCH,
                text,
                expected=errand.expected_sha256,
                actual=digest,
            )
        )


def _located(cause: Failure, endpoint: Endpoint | None, attempt: int) -> Failure:
    """Add where and at which attempt it happened; bytes of a peer that are no text become `?`."""
    context = {name: _sendable(text) for name, text in cause.context.items()}
    context["attempt"] = str(attempt)
    if endpoint is not None:
        context["proxy"] = endpoint.label
    return replace(cause, message=_sendable(cause.message), context=context)


def _sendable(text: str) -> str:
    return text if text.isascii() else text.encode(errors="replace").decode()


def _after_fetch_error(plan: DownloadPlan, error: FetchError, cause: Failure, clock: Clock) -> Step:
    if error.side is Side.PROXY:
        return plan.after_proxy_failure(cause)
    wait = retry_after_ms(cause.context.get("retry_after", ""), clock())
    return plan.after_origin_failure(cause, retry_after_ms=wait)


def retry_after_ms(value: str, now_ms: int) -> int | None:
    """Read a Retry-After header: delay seconds or an HTTP date; None when it is neither."""
    if value.isascii() and value.isdigit():
        return int(value[:_DELAY_DIGITS]) * 1000
    try:
        moment = parsedate_to_datetime(value)
        at_ms = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return max(0, at_ms - now_ms)
