"""What every fetcher promises, the fake included (fetchbox.fetch.port)."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from fetchbox.fetch.port import FetchError, FetchRequest, FetchResponse, Side
from fetchbox.model.failure import FailureCode
from tests.contract.fetchers import BODY, BOTH_LOOPS, SIZE, STAGES, Stage

LOOPS: Final = BOTH_LOOPS


@pytest.fixture(params=list(STAGES))
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with STAGES[request.param]() as opened:
        yield opened


async def read(response: FetchResponse) -> bytes:
    """Read as the worker does: whole where the length is known."""
    if response.content_length is not None:
        return await response.read()
    return b"".join([chunk async for chunk in response.chunks()])


async def failure_of(stage: Stage, url: str, proxy: str | None = None) -> FetchError:
    """Fetch and read, and return the error this must end in."""
    with pytest.raises(FetchError) as caught:
        async with stage.fetcher.fetch(FetchRequest(url=url, proxy=proxy)) as response:
            await read(response)
    return caught.value


@pytest.mark.parametrize("situation", ["body", "chunked", "redirected"])
async def test_body_arrives_as_sent(stage: Stage, situation: str) -> None:
    request = FetchRequest(url=stage.url(situation))
    async with stage.fetcher.fetch(request) as response:
        assert response.status == 200
        assert await read(response) == BODY


async def test_body_of_known_length_comes_in_chunks_too(stage: Stage) -> None:
    async with stage.fetcher.fetch(FetchRequest(url=stage.url("body"))) as response:
        assert b"".join([chunk async for chunk in response.chunks()]) == BODY


async def test_empty_body_has_no_chunks(stage: Stage) -> None:
    async with stage.fetcher.fetch(FetchRequest(url=stage.url("nothing"))) as response:
        assert response.content_length == 0
        assert [chunk async for chunk in response.chunks()] == []


@pytest.mark.parametrize(("situation", "announced"), [("body", SIZE), ("chunked", None)])
async def test_content_length_is_what_was_announced(
    stage: Stage, situation: str, announced: int | None
) -> None:
    async with stage.fetcher.fetch(FetchRequest(url=stage.url(situation))) as response:
        assert response.content_length == announced


async def test_header_names_are_case_insensitive(stage: Stage) -> None:
    async with stage.fetcher.fetch(FetchRequest(url=stage.url("body"))) as response:
        assert response.header("CONTENT-type") == "text/plain"
        assert response.header("x-absent") == ""


@pytest.mark.parametrize(
    ("situation", "status"), [("404", 404), ("503", 503), ("redirect without location", 302)]
)
async def test_status_is_returned_not_raised(stage: Stage, situation: str, status: int) -> None:
    async with stage.fetcher.fetch(FetchRequest(url=stage.url(situation))) as response:
        assert response.status == status


@pytest.mark.parametrize(
    ("situation", "code"),
    [
        ("silence", FailureCode.DOWNLOAD_TIMEOUT),
        ("reset", FailureCode.DOWNLOAD_NETWORK_ERROR),
        ("closed", FailureCode.DOWNLOAD_NETWORK_ERROR),
        ("no http", FailureCode.DOWNLOAD_NETWORK_ERROR),
        ("refused", FailureCode.DOWNLOAD_NETWORK_ERROR),
        ("unknown name", FailureCode.DOWNLOAD_DNS_ERROR),
        ("redirect loop", FailureCode.DOWNLOAD_TOO_MANY_REDIRECTS),
        ("redirect to file", FailureCode.DOWNLOAD_INVALID_URL),
        ("redirect to blocked", FailureCode.DOWNLOAD_INVALID_URL),
    ],
)
async def test_failure_before_the_answer_has_its_code(
    stage: Stage, situation: str, code: FailureCode
) -> None:
    error = await failure_of(stage, stage.url(situation))

    assert (error.failure.code, error.side) == (code, Side.ORIGIN)


@pytest.mark.parametrize(
    ("situation", "code"),
    [
        ("short", FailureCode.DOWNLOAD_INCOMPLETE_BODY),
        ("reset in the body", FailureCode.DOWNLOAD_INCOMPLETE_BODY),
        ("silence in the body", FailureCode.DOWNLOAD_TIMEOUT),
    ],
)
async def test_failure_in_the_body_is_raised_by_reading_it(
    stage: Stage, situation: str, code: FailureCode
) -> None:
    async with stage.fetcher.fetch(FetchRequest(url=stage.url(situation))) as response:
        assert response.status == 200
        with pytest.raises(FetchError) as caught:
            await read(response)

    assert (caught.value.failure.code, caught.value.side) == (code, Side.ORIGIN)


@pytest.mark.parametrize(
    "url", ["ftp://origin.test/x", "http://", "/relative", "http://origin.test/a b"]
)
async def test_url_that_cannot_be_fetched_is_refused(stage: Stage, url: str) -> None:
    error = await failure_of(stage, url)

    assert error.failure.code == FailureCode.DOWNLOAD_INVALID_URL
    assert not error.failure.retryable


async def test_dead_proxy_is_the_proxys_fault(stage: Stage) -> None:
    error = await failure_of(stage, stage.url("body"), stage.dead_proxy())

    assert error.side is Side.PROXY


async def test_leaving_early_and_raising_inside_do_no_harm(stage: Stage) -> None:
    request = FetchRequest(url=stage.url("body"))
    with pytest.raises(LookupError):
        async with stage.fetcher.fetch(request):
            raise LookupError
    async with stage.fetcher.fetch(request) as response:
        assert await read(response) == BODY
