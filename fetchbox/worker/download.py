"""One task from URL to object: attempts after the plan, body to storage. The one retry loop.

A body is never held whole: up to the multipart threshold it is one buffer, beyond that it flows
through in parts.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime

from fetchbox.fetch.port import Fetcher, FetchError, FetchRequest, FetchResponse, Side
from fetchbox.model.clock import Clock
from fetchbox.model.failure import Failure, FailureCode, failure, http_failure
from fetchbox.model.proxies import Endpoint
from fetchbox.storage.port import Storage, StorageError, StoredObject
from fetchbox.worker.plan import DownloadPlan, GiveUp, PlanLimits, Step, Try
from fetchbox.worker.target import Errand, upload_options

Sleep = Callable[[float], Awaitable[None]]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """What observers are told after each attempt that failed."""

    errand: Errand
    failure: Failure
    endpoint: Endpoint | None
    is_upload: bool
    will_retry: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a download works with. `on_failed` sees every failed attempt."""

    fetcher: Fetcher
    storage: Storage
    clock: Clock
    on_failed: Callable[[FailedAttempt], None]
    on_downloaded: Callable[[Errand, int, float], None]
    sleep: Sleep = asyncio.sleep


class _SizeExceededError(Exception):
    """A body of unknown length outgrew the buffer; carries what was read."""

    def __init__(self, head: list[bytes]) -> None:
        self.head = head


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
            is_upload = False
        except StorageError as error:
            cause = _located(error.failure, endpoint, plan.stored + 1)
            step = plan.after_upload_failure(cause)
            is_upload = True
        self._means.on_failed(
            FailedAttempt(
                errand=errand,
                failure=cause,
                endpoint=endpoint,
                is_upload=is_upload,
                will_retry=isinstance(step, Try),
            )
        )
        return GiveUp(cause) if isinstance(step, GiveUp) and step.failure is cause else step

    async def _relay(self, errand: Errand, plan: DownloadPlan, request: FetchRequest) -> Stored:
        started = self._means.clock()
        async with self._means.fetcher.fetch(request) as response:
            self._refuse_bad(response)
            try:
                body = await self._gather(response)
            except _SizeExceededError as exceeded:
                return await self._stream(errand, response, exceeded.head, started)
        self._means.on_downloaded(errand, len(body), (self._means.clock() - started) / 1000)
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

    async def _gather(self, response: FetchResponse) -> bytes:
        """Read a small body whole; raises _SizeExceededError when it is not small."""
        threshold = self._body.multipart_threshold
        if (response.content_length or 0) > threshold:
            raise _SizeExceededError([])
        parts: list[bytes] = []
        size = 0
        async for chunk in response.chunks():
            parts.append(chunk)
            size += len(chunk)
            if size > threshold:
                raise _SizeExceededError(parts)
        self._refuse_large(size)
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
        step = plan.after_upload_failure(error.failure)
        self._means.on_failed(
            FailedAttempt(
                errand=errand,
                failure=error.failure,
                endpoint=None,
                is_upload=True,
                will_retry=True,
            )
        )
        await self._means.sleep(step.after_ms / 1000 if isinstance(step, Try) else 0)

    async def _stream(
        self, errand: Errand, response: FetchResponse, head: list[bytes], started: int
    ) -> Stored:
        """Pass a large body through; a fault of the origin aborts the upload."""
        digest = hashlib.sha256()
        size = 0

        async def pass_through() -> AsyncGenerator[bytes, None]:
            nonlocal size
            async with aclosing(_rest(head, response)) as chunks:
                async for chunk in chunks:
                    size += len(chunk)
                    self._refuse_large(size)
                    digest.update(chunk)
                    yield chunk
            _verify(errand, digest.hexdigest())

        options = upload_options(
            errand,
            content_type=response.header("content-type"),
            content_encoding=response.header("content-encoding"),
            sha256=None,
        )
        stored = await self._means.storage.put_stream(options, pass_through())
        self._means.on_downloaded(errand, size, (self._means.clock() - started) / 1000)
        return Stored(object=stored, sha256=digest.hexdigest(), status=response.status)


async def _rest(head: list[bytes], response: FetchResponse) -> AsyncGenerator[bytes, None]:
    while head:
        yield head.pop(0)
    async for chunk in response.chunks():
        yield chunk


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
    """Add where and at which attempt it happened."""
    context = {**cause.context, "attempt": str(attempt)}
    if endpoint is not None:
        context["proxy"] = endpoint.label
    return replace(cause, context=context)


def _after_fetch_error(plan: DownloadPlan, error: FetchError, cause: Failure, clock: Clock) -> Step:
    if error.side is Side.PROXY:
        return plan.after_proxy_failure(cause)
    wait = retry_after_ms(cause.context.get("retry_after", ""), clock())
    return plan.after_origin_failure(cause, retry_after_ms=wait)


def retry_after_ms(value: str, now_ms: int) -> int | None:
    """Read a Retry-After header: delay seconds or an HTTP date; None when it is neither."""
    if value.isascii() and value.isdigit():
        return int(value) * 1000
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0, int(moment.timestamp() * 1000) - now_ms)
