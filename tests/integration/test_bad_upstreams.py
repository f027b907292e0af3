"""Every way an upstream can misbehave: the code, the number of requests, the dead letter."""

from dataclasses import dataclass

import pytest

from tests.common.context import TestContext
from tests.common.topics import dead_letters
from tests.common.wiremock import Reply, fault, redirect

#: worker.download_retry_limit of the test stack.
LIMIT = 3
MIB = 1024 * 1024
#: One request and ten redirects.
REDIRECTED = 11


@dataclass(frozen=True, kw_only=True)
class Row:
    """A misbehaviour of the peers, and what must come of it."""

    behaviour: str
    code: str
    requests: int = LIMIT
    attempts: int = LIMIT


ROWS = {
    "reset before an answer": Row(behaviour="reset", code="DOWNLOAD_NETWORK_ERROR"),
    "reset inside the body": Row(behaviour="reset?after=100", code="DOWNLOAD_INCOMPLETE_BODY"),
    "empty answer": Row(behaviour="empty", code="DOWNLOAD_NETWORK_ERROR"),
    "no HTTP": Row(behaviour="garbage", code="DOWNLOAD_NETWORK_ERROR"),
    "malformed chunk": Row(behaviour="malformed-chunk?close=1", code="DOWNLOAD_INCOMPLETE_BODY"),
    "malformed chunk, then silence": Row(
        behaviour="malformed-chunk", code="DOWNLOAD_INCOMPLETE_BODY"
    ),
    "short body": Row(behaviour="short/1000/10", code="DOWNLOAD_INCOMPLETE_BODY"),
    "never answers": Row(behaviour="hang", code="DOWNLOAD_TIMEOUT"),
    "stops inside the body": Row(behaviour="hang?after=10", code="DOWNLOAD_TIMEOUT"),
    "drips too slowly": Row(behaviour="drip/3?every=4000", code="DOWNLOAD_TIMEOUT"),
    "redirect loop": Row(
        behaviour="redirect-loop",
        code="DOWNLOAD_TOO_MANY_REDIRECTS",
        requests=REDIRECTED,
        attempts=1,
    ),
    "redirect to a file": Row(
        behaviour="redirect-to?url=file:///etc/passwd",
        code="DOWNLOAD_INVALID_URL",
        requests=1,
        attempts=1,
    ),
    "redirect to nowhere": Row(
        behaviour="redirect-to", code="DOWNLOAD_HTTP_UNEXPECTED", requests=1, attempts=1
    ),
    "304 unasked": Row(
        behaviour="status/304?size=0", code="DOWNLOAD_HTTP_UNEXPECTED", requests=1, attempts=1
    ),
    "404": Row(behaviour="status/404", code="DOWNLOAD_HTTP_4XX", requests=1, attempts=1),
    "429 for ever": Row(behaviour="status/429", code="DOWNLOAD_HTTP_4XX"),
    "500 for ever": Row(behaviour="status/500", code="DOWNLOAD_HTTP_5XX"),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_an_upstream_that_misbehaves_is_given_up(context: TestContext, row: Row) -> None:
    job, shown = context.run({"a": context.peer(row.behaviour)}, status="failed")

    assert shown["last_error"]["code"] == row.code, shown["last_error"]
    assert len(context.stack.peers.traffic(context.case).seen) == row.requests
    (letter,) = dead_letters(context.iggy_client, job.job_id)
    assert letter.failure_code == row.code
    assert letter.attempts == row.attempts
    assert letter.failure_message


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("CONNECTION_RESET_BY_PEER", "DOWNLOAD_NETWORK_ERROR"),
        ("EMPTY_RESPONSE", "DOWNLOAD_NETWORK_ERROR"),
        ("RANDOM_DATA_THEN_CLOSE", "DOWNLOAD_NETWORK_ERROR"),
    ],
)
def test_a_fault_that_passes_is_retried(context: TestContext, name: str, code: str) -> None:
    url = context.answer("a", fault(name), Reply(body=b"recovered"))
    job, _ = context.run({"a": url})

    assert len(context.requests_for("a")) == 2
    retried = [line for line in context.log_lines(job.job_id) if line["level"] == "warn"]
    assert [line["fields"]["code"] for line in retried] == [code]


def test_500_then_200_completes(context: TestContext) -> None:
    job, shown = context.run({"a": context.peer("status/500,200", size=5)})

    assert len(context.stack.peers.traffic(context.case).seen) == 2
    assert shown["last_error"] is None
    assert len(context.object(job.key("a")).body) == 5


@pytest.mark.parametrize(
    "behaviour",
    [f"short/{20 * MIB}/{12 * MIB}", f"reset?after={12 * MIB}"],
    ids=["ends early", "is reset"],
)
def test_a_large_body_that_breaks_off_leaves_nothing(context: TestContext, behaviour: str) -> None:
    """The account after the test looks for objects and for unfinished uploads."""
    _, shown = context.run({"a": context.peer(behaviour)}, status="failed")

    assert shown["last_error"]["code"] == "DOWNLOAD_INCOMPLETE_BODY"
    assert len(context.stack.peers.traffic(context.case).seen) == LIMIT


def test_answers_nobody_reads_hold_no_connection(context: TestContext) -> None:
    """More of them than a worker has connections (as many as tasks at once: 32)."""
    urls = {f"r{n}": context.peer("status/404", size=MIB, n=n) for n in range(40)}
    job, _ = context.run(urls, status="failed")

    letters = dead_letters(context.iggy_client, job.job_id)
    assert [letter.failure_code for letter in letters] == ["DOWNLOAD_HTTP_4XX"] * len(urls)


def test_nobody_listens(context: TestContext) -> None:
    context.may_miss_stubs = True
    job, shown = context.run({"a": "http://127.0.0.1:1/a"}, status="failed")

    assert shown["last_error"]["code"] == "DOWNLOAD_NETWORK_ERROR"
    (letter,) = dead_letters(context.iggy_client, job.job_id)
    assert letter.attempts == LIMIT


def test_a_name_that_does_not_resolve(context: TestContext) -> None:
    job, shown = context.run({"a": "http://no-such-host.invalid/a"}, status="failed")

    assert shown["last_error"]["code"] == "DOWNLOAD_DNS_ERROR"
    (letter,) = dead_letters(context.iggy_client, job.job_id)
    assert letter.attempts == LIMIT


def test_a_short_redirect_chain_is_followed(context: TestContext) -> None:
    end = context.serve("end", b"arrived", content_type="text/plain")
    context.answer("middle", redirect(end))
    start = context.answer("start", redirect(context.path("middle")))
    context.served[start] = b"arrived"
    job, _ = context.run({"a": start})

    assert context.object(job.key("a")).content_type == "text/plain"


def test_ten_redirects_are_followed(context: TestContext) -> None:
    context.run({"a": context.peer("redirect/10")})

    assert len(context.stack.peers.traffic(context.case).seen) == REDIRECTED


def test_a_drip_within_the_timeout_arrives(context: TestContext) -> None:
    context.run({"a": context.peer_bytes(4, verb="drip", every=100)})
