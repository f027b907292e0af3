"""IT-11: when the first proxy of a chain fails, the worker moves on; when all fail, it gives up."""

import pytest

from tests.common.context import TestContext
from tests.common.topics import dead_letters


def test_a_proxied_job_type_uses_its_proxy(context: TestContext) -> None:
    url = context.serve("a", server=context.stack.hidden_upstream)
    job, _ = context.run({"a": url}, job_type="it_proxied")

    (seen,) = context.requests_for("a", context.stack.proxy)
    assert seen.is_proxied
    assert len(context.requests_for("a", context.stack.hidden_upstream)) == 1
    assert context.object(job.key("a")).body == context.served[url]
    (line,) = context.completions(job.job_id)
    assert line["fields"]["proxy"] == "proxies/through-proxy#1"


@pytest.mark.parametrize(
    ("job_type", "pool"),
    [("it_fallback_refused", "refusing"), ("it_fallback_502", "answers-502")],
    ids=["refuses TCP", "answers 502"],
)
def test_the_fallback_takes_over(context: TestContext, job_type: str, pool: str) -> None:
    counted = ("fetchbox_proxy_failures_total", {"pool": pool, "job_type": job_type})
    before = context.stack.workers.value(counted[0], **counted[1])
    url = context.serve("a", server=context.stack.hidden_upstream)

    job, shown = context.run({"a": url}, job_type=job_type)

    assert shown["resource_completed"] == 1
    assert len(context.requests_for("a", context.stack.proxy)) == 1
    assert len(context.requests_for("a", context.stack.hidden_upstream)) == 1
    last = context.log_lines(job.job_id)[-1]
    assert last["fields"]["event"] == "task.completed"
    assert last["fields"]["proxy"] == "proxies/through-proxy#1"
    assert context.stack.workers.value(counted[0], **counted[1]) >= before + 1
    assert context.object(job.key("a")).body == context.served[url]


def test_a_dead_chain_ends_in_one_dead_letter(context: TestContext) -> None:
    url = context.serve("a", server=context.stack.hidden_upstream)
    job, shown = context.run({"a": url}, job_type="it_exhausted", status="failed")

    assert shown["last_error"]["code"] == "DOWNLOAD_PROXY_EXHAUSTED"
    (letter,) = dead_letters(context.iggy_client, job.job_id)
    assert letter.failure_code == "DOWNLOAD_PROXY_EXHAUSTED"
    assert letter.task.url == url
    assert not context.requests_for("a", context.stack.hidden_upstream), "went there directly"


def test_a_missing_page_is_not_asked_for_through_another_proxy(context: TestContext) -> None:
    """A non-retryable answer is the origin's word, whichever proxy brought it."""
    context.serve("there", server=context.stack.hidden_upstream)
    context.may_miss_stubs = True
    gone = context.stack.hidden_upstream.base_url + context.path("gone")
    _, shown = context.run({"gone": gone}, job_type="it_proxied", status="failed")

    assert shown["last_error"]["code"] == "DOWNLOAD_HTTP_4XX"
    assert len(context.requests_for("gone", context.stack.proxy)) == 1
