"""One task from URL to object: attempts, buffering, streaming, cancellation (contract 5.5, 5.8)."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchbox.fetch.port import FetchError, Side
from fetchbox.fetch.rotation import FailoverOrder, Rotation
from fetchbox.model.failure import FailureCode, failure
from fetchbox.model.task import DownloadTask, ProxyHint
from fetchbox.storage.port import StorageError, StoredObject, UploadOptions
from fetchbox.worker.download import (
    BodyLimits,
    Culprit,
    Downloader,
    Ending,
    FailedAttempt,
    Means,
    retry_after_ms,
)
from fetchbox.worker.plan import PlanLimits
from fetchbox.worker.target import Errand, Router
from tests.factories import NOW_MS, make_failure, make_pool, make_pools, make_task
from tests.fakes.fetcher import Answer, FakeFetcher, fetch_error
from tests.fakes.storage import DEFAULT_BUCKET, FakeStorage

URL = "http://origin.test/r1"
THRESHOLD = 100
SMALL = b"x" * THRESHOLD
LARGE = bytes(range(256)) * 2
LOST = StorageError(make_failure("UPLOAD_NETWORK"))
DENIED = StorageError(make_failure("UPLOAD_ACCESS_DENIED"))
POOLS = make_pools(make_pool("a", "http://a:1", fallbacks=("b",)), make_pool("b", "http://b:1"))


@dataclass
class Bench:
    """A downloader over fakes; time passes only in its timer, by a second per look."""

    fetcher: FakeFetcher = field(default_factory=FakeFetcher)
    storage: Any = field(default_factory=FakeStorage)
    limits: PlanLimits = field(default_factory=PlanLimits)
    max_resource: int = 0
    failed: list[FailedAttempt] = field(default_factory=list)
    downloaded: list[tuple[int, float]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    seconds: int = 0

    async def run(self, *answers: Answer | FetchError, task: DownloadTask | None = None) -> Ending:
        if answers:
            self.fetcher.script(URL, *answers)
        means = Means(
            fetcher=self.fetcher,
            storage=self.storage,
            clock=lambda: NOW_MS,
            on_failed=self.failed.append,
            on_downloaded=self._note,
            sleep=self._sleep,
            timer=self._tick,
        )
        body = BodyLimits(multipart_threshold=THRESHOLD, max_resource=self.max_resource)
        return await Downloader(means, self.limits, body).run(errand_of(task or make_task()))

    def _note(self, errand: Errand, size: int, seconds: float) -> None:
        assert errand.task.url == URL
        self.downloaded.append((size, seconds))

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def _tick(self) -> float:
        self.seconds += 1
        return float(self.seconds)

    @property
    def requests(self) -> int:
        return len(self.fetcher.requests)

    @property
    def objects(self) -> list[bytes]:
        return list(self.storage.objects.values())


def errand_of(task: DownloadTask) -> Errand:
    return Router(
        handlers={},
        pools=POOLS,
        rotation=Rotation(FailoverOrder.SEQUENTIAL),
        bucket=DEFAULT_BUCKET,
        default_prefix="",
    ).route(task)


def through_proxies() -> DownloadTask:
    return make_task(proxy_hint=ProxyHint(primary_pool="a"))


def code_of(ending: Ending) -> str:
    return ending.failure.code if ending.failure else "stored"


@pytest.fixture
def bench() -> Bench:
    return Bench()


BODIES = [
    pytest.param(b"", 100, id="empty"),
    pytest.param(b"abc", 100, id="one-chunk"),
    pytest.param(SMALL, 7, id="many-chunks-to-the-threshold"),
    pytest.param(SMALL + b"y", 100, id="one-byte-over"),
    pytest.param(LARGE, 33, id="large-in-chunks"),
    pytest.param(LARGE, 10_000, id="large-in-one-chunk"),
]


@pytest.mark.parametrize("is_chunked", [False, True], ids=["announced", "unknown-length"])
@pytest.mark.parametrize(("body", "chunk_bytes"), BODIES)
async def test_body_arrives_whole(
    bench: Bench,
    body: bytes,
    chunk_bytes: int,
    is_chunked: bool,  # noqa: FBT001  # a column
) -> None:
    answer = Answer(body=body, chunk_bytes=chunk_bytes, is_chunked=is_chunked)

    ending = await bench.run(answer)

    assert ending.stored is not None
    assert bench.objects == [body]
    assert ending.stored.sha256 == hashlib.sha256(body).hexdigest()
    assert ending.stored.object.size_bytes == len(body)
    assert (ending.attempts, ending.stored.status, ending.failure) == (1, 200, None)
    assert bench.downloaded == [(len(body), 1.0)]
    assert bench.fetcher.open == 0


async def test_small_object_carries_its_digest_and_a_large_one_cannot(bench: Bench) -> None:
    await bench.run(Answer(body=SMALL))
    await bench.run(Answer(body=LARGE))
    small, large = bench.storage.puts
    assert small.metadata == {"sha256": hashlib.sha256(SMALL).hexdigest()}
    assert large.metadata == {}


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["buffered", "streamed"])
async def test_type_and_encoding_of_the_answer_reach_storage(bench: Bench, body: bytes) -> None:
    await bench.run(Answer(body=body, headers={"Content-Type": "a/b", "Content-Encoding": "gzip"}))
    (options,) = bench.storage.puts
    assert (options.content_type, options.content_encoding) == ("a/b", "gzip")


async def test_any_2xx_is_success(bench: Bench) -> None:
    ending = await bench.run(Answer(status=206, body=b"x"))
    assert ending.stored is not None
    assert ending.stored.status == 206


# Failures of the origin.

TIMEOUT = fetch_error(FailureCode.DOWNLOAD_TIMEOUT)
CUT = fetch_error(FailureCode.DOWNLOAD_INCOMPLETE_BODY)
OK = Answer(body=b"ok")


@pytest.mark.parametrize(
    ("answers", "requests", "ended"),
    [
        pytest.param([Answer(status=500), OK], 2, "stored", id="500-then-200"),
        pytest.param([Answer(status=429), TIMEOUT, OK], 3, "stored", id="third-time-lucky"),
        pytest.param([Answer(status=500)], 3, "DOWNLOAD_HTTP_5XX", id="500"),
        pytest.param([Answer(status=404)], 1, "DOWNLOAD_HTTP_4XX", id="404"),
        pytest.param([Answer(status=408)], 3, "DOWNLOAD_HTTP_4XX", id="408"),
        pytest.param([Answer(status=304)], 1, "DOWNLOAD_HTTP_UNEXPECTED", id="304"),
        pytest.param([TIMEOUT], 3, "DOWNLOAD_TIMEOUT", id="timeout"),
        pytest.param(
            [fetch_error(FailureCode.DOWNLOAD_INVALID_URL)], 1, "DOWNLOAD_INVALID_URL", id="url"
        ),
        pytest.param([Answer(body=SMALL, breaks=CUT)], 3, "DOWNLOAD_INCOMPLETE_BODY", id="cut"),
        pytest.param(
            [Answer(body=LARGE, breaks=CUT)], 3, "DOWNLOAD_INCOMPLETE_BODY", id="cut-while-streamed"
        ),
        pytest.param([Answer(body=LARGE, breaks=CUT), OK], 2, "stored", id="cut-once"),
    ],
)
async def test_origin_is_asked_as_often_as_the_plan_says(
    bench: Bench, answers: list[Answer | FetchError], requests: int, ended: str
) -> None:
    ending = await bench.run(*answers)

    assert code_of(ending) == ended
    assert bench.requests == ending.attempts == requests
    assert len(bench.objects) == (ended == "stored")
    assert bench.slept == [1.0, 2.0][: requests - 1]
    assert len(bench.failed) == requests - (ended == "stored")
    assert {each.culprit for each in bench.failed} <= {Culprit.ORIGIN}
    assert [each.failure.context["attempt"] for each in bench.failed] == [
        str(number + 1) for number in range(len(bench.failed))
    ]
    assert bench.fetcher.open == 0


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured(bench: Bench, status: int) -> None:
    await bench.run(Answer(status=status, headers={"Retry-After": "7"}), OK)
    assert bench.slept == [7.0]


async def test_retry_after_counts_only_where_it_means_a_wait(bench: Bench) -> None:
    await bench.run(Answer(status=500, headers={"Retry-After": "7"}), OK)
    assert bench.slept == [1.0]


async def test_bytes_of_a_peer_that_are_no_text_do_no_harm(bench: Bench) -> None:
    """Header bytes above 127 arrive as lone surrogates, which no message could carry."""
    await bench.run(Answer(status=503, headers={"Retry-After": "\udcff"}), OK)
    cause = bench.failed[0].failure
    assert f"{cause}".isprintable()
    assert cause.context["retry_after"] == "?"


# Proxies.


async def test_proxy_failure_goes_to_the_next_endpoint_at_once(bench: Bench) -> None:
    bench.fetcher.break_proxy("http://a:1")

    ending = await bench.run(OK, task=through_proxies())

    assert [request.proxy for request in bench.fetcher.requests] == ["http://a:1", "http://b:1"]
    assert (ending.attempts, ending.proxy, bench.slept) == (1, "proxies/b#1", [])
    (failed,) = bench.failed
    assert (failed.culprit, failed.will_retry) == (Culprit.PROXY, True)
    assert failed.failure.context == {"attempt": "1", "proxy": "proxies/a#1"}


async def test_all_proxies_failing_is_the_end_without_a_direct_connection(bench: Bench) -> None:
    bench.fetcher.break_proxy("http://a:1")
    bench.fetcher.break_proxy("http://b:1")

    ending = await bench.run(OK, task=through_proxies())

    assert code_of(ending) == "DOWNLOAD_PROXY_EXHAUSTED"
    assert ending.attempts == 1
    assert all(request.proxy for request in bench.fetcher.requests)


async def test_origin_failure_through_a_proxy_rotates_after_a_back_off(bench: Bench) -> None:
    ending = await bench.run(Answer(status=502), OK, task=through_proxies())
    assert [request.proxy for request in bench.fetcher.requests] == ["http://a:1", "http://b:1"]
    assert (ending.attempts, bench.slept) == (2, [0.5])


# Storage.


async def test_upload_is_tried_again_from_the_buffer(bench: Bench) -> None:
    bench.storage.fail_next(LOST, LOST)

    ending = await bench.run(Answer(body=SMALL))

    assert (code_of(ending), bench.requests, ending.attempts) == ("stored", 1, 3)
    assert bench.slept == [1.0, 2.0]
    assert [each.culprit for each in bench.failed] == [Culprit.STORAGE] * 2
    assert [each.failure.context["attempt"] for each in bench.failed] == ["1", "2"]
    assert bench.objects == [SMALL]


async def test_failed_stream_is_downloaded_again(bench: Bench) -> None:
    bench.storage.fail_next(LOST)

    ending = await bench.run(Answer(body=LARGE))

    assert (code_of(ending), bench.requests, ending.attempts) == ("stored", 2, 2)
    assert bench.objects == [LARGE]


@pytest.mark.parametrize(
    ("body", "error", "tries", "requests"),
    [
        pytest.param(SMALL, LOST, 3, 1, id="buffered"),
        pytest.param(LARGE, LOST, 3, 3, id="streamed"),
        pytest.param(SMALL, DENIED, 1, 1, id="buffered-for-good"),
        pytest.param(LARGE, DENIED, 1, 1, id="streamed-for-good"),
    ],
)
async def test_upload_is_given_up_after_its_own_limit(
    bench: Bench, body: bytes, error: StorageError, tries: int, requests: int
) -> None:
    bench.limits = PlanLimits(download_retry_limit=1, storage_retry_limit=3)
    bench.storage.fail_next(*[error] * 9)

    ending = await bench.run(Answer(body=body))

    assert ending.failure is not None
    assert ending.failure.code == error.failure.code
    assert (ending.attempts, bench.requests) == (tries, requests)
    assert len(bench.failed) == tries
    assert [each.will_retry for each in bench.failed] == [True] * (tries - 1) + [False]
    assert len(bench.storage.failures) == 9 - tries


# Checksums and sizes.


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["buffered", "streamed"])
async def test_matching_checksum_is_accepted(bench: Bench, body: bytes) -> None:
    task = make_task(checksum_hint=f"sha256:{hashlib.sha256(body).hexdigest()}")
    assert code_of(await bench.run(Answer(body=body), task=task)) == "stored"


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["buffered", "streamed"])
async def test_other_checksum_is_a_failure_that_stores_nothing(bench: Bench, body: bytes) -> None:
    task = make_task(checksum_hint=f"sha256:{'0' * 64}")

    ending = await bench.run(Answer(body=body), task=task)

    assert code_of(ending) == "DOWNLOAD_CHECKSUM_MISMATCH"
    assert ending.failure is not None
    assert ending.failure.context["actual"] == hashlib.sha256(body).hexdigest()
    assert (bench.requests, bench.objects) == (3, [])


@pytest.mark.parametrize("is_chunked", [False, True], ids=["announced", "unknown-length"])
@pytest.mark.parametrize(
    ("limit", "size", "ended"),
    [
        pytest.param(50, 50, "stored", id="small-limit-met"),
        pytest.param(50, 51, "DOWNLOAD_TOO_LARGE", id="small-limit-passed"),
        pytest.param(300, 300, "stored", id="streamed-limit-met"),
        pytest.param(300, 301, "DOWNLOAD_TOO_LARGE", id="streamed-limit-passed"),
    ],
)
async def test_too_large_body_is_refused_at_once(
    bench: Bench,
    limit: int,
    size: int,
    ended: str,
    is_chunked: bool,  # noqa: FBT001  # a column
) -> None:
    bench.max_resource = limit

    ending = await bench.run(Answer(body=b"x" * size, chunk_bytes=9, is_chunked=is_chunked))

    assert code_of(ending) == ended
    assert bench.requests == 1
    assert len(bench.objects) == (ended == "stored")


async def test_unexpected_error_is_not_swallowed(bench: Bench) -> None:
    bench.storage.fail_next(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await bench.run(OK)


# Cancellation: at every step, nothing is left open, and a half-stored object is none.


class SlowAnswer(Answer):
    """Gives way before each chunk."""

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in super().chunks():
            await asyncio.sleep(0)
            yield chunk
        await asyncio.sleep(0)


class SlowStorage(FakeStorage):
    """Gives way before and after; counts the uploads that were begun and not ended."""

    open = 0
    streams: list[Any]

    async def put(self, options: UploadOptions, body: bytes) -> StoredObject:
        await asyncio.sleep(0)
        return await super().put(options, body)

    async def put_stream(
        self, options: UploadOptions, chunks: AsyncIterator[bytes]
    ) -> StoredObject:
        self.open += 1
        self.streams = [chunks]
        try:
            await asyncio.sleep(0)
            return await super().put_stream(options, chunks)
        finally:
            self.open -= 1


async def cancelled_after(steps: int, bench: Bench, body: bytes) -> bool:
    """Let a download take some steps, then cancel it; return whether it had ended before."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.run(SlowAnswer(body=body, chunk_bytes=60)))
        for _ in range(steps):
            await asyncio.sleep(0)
        is_over = task.done()
        task.cancel()
    return is_over


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["buffered", "streamed"])
async def test_cancelled_download_leaves_nothing_open(body: bytes) -> None:
    steps = 0
    while True:
        storage = SlowStorage()
        bench = Bench(storage=storage)
        if await cancelled_after(steps, bench, body):
            break
        assert (bench.fetcher.open, storage.open, bench.objects) == (0, 0, [])
        assert bench.failed == []
        steps += 1
    assert bench.objects == [body]
    assert steps > 3


async def test_stream_that_storage_gave_up_is_closed(bench: Bench) -> None:
    class Impatient(SlowStorage):
        async def put_stream(
            self, options: UploadOptions, chunks: AsyncIterator[bytes]
        ) -> StoredObject:
            del options
            self.streams = [chunks]
            await anext(chunks)
            raise DENIED

    storage = bench.storage = Impatient()

    ending = await bench.run(SlowAnswer(body=LARGE, chunk_bytes=60))

    assert code_of(ending) == "UPLOAD_ACCESS_DENIED"
    with pytest.raises(StopAsyncIteration):
        await anext(storage.streams[0])
    assert bench.downloaded == []


# Retry-After.


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("120", 120_000, id="seconds"),
        pytest.param("9" * 8000, 999_999_999_999_000, id="absurd"),
        pytest.param("Tue, 19 Aug 2025 09:30:05 GMT", 5000, id="date"),
        pytest.param("Tue, 19 Aug 2025 09:30:05 -0000", 5000, id="date-without-a-zone"),
        pytest.param("Tue, 19 Aug 2025 11:30:05 +0200", 5000, id="date-elsewhere"),
        pytest.param("Tue, 19 Aug 2025 09:29:05 GMT", 0, id="past"),
        pytest.param("", None, id="absent"),
        pytest.param("-1", None, id="negative"),
        pytest.param("1.5", None, id="fraction"),
        pytest.param("soon", None, id="text"),
        pytest.param("²", None, id="digit-that-is-no-ascii"),
        pytest.param("Tue, 99 Aug 2025 09:30:05 GMT", None, id="no-such-day"),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, wait: int | None) -> None:
    assert retry_after_ms(value, NOW_MS) == wait


DATES = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Mon", "x"]),
    st.integers(0, 40),
    st.sampled_from(["Jan", "Feb", "x"]),
    st.integers(0, 99_999),
    st.integers(0, 30),
    st.integers(0, 70),
    st.integers(0, 70),
    st.sampled_from(["GMT", "-0000", "+9999", "-999999999999", "x", ""]),
)


@given(value=st.text(max_size=30) | DATES)
def test_any_header_is_read_or_left_alone(value: str) -> None:
    wait = retry_after_ms(value, NOW_MS)
    assert wait is None or wait >= 0


def test_side_of_a_failure_is_the_origin_unless_said() -> None:
    assert FetchError(failure(FailureCode.DOWNLOAD_TIMEOUT, "x")).side is Side.ORIGIN
