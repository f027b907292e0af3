"""Networks prove the proxy: workers have no way to the hidden upstream but through it."""

import pytest

from tests.common.context import TestContext

pytestmark = pytest.mark.needs_compose


def test_without_a_proxy_the_hidden_upstream_has_no_name(context: TestContext) -> None:
    url = context.serve("a", server=context.stack.hidden_upstream)
    _, shown = context.run({"a": url}, status="failed")

    assert shown["last_error"]["code"] == "DOWNLOAD_DNS_ERROR", shown["last_error"]
    assert not context.requests_for("a", context.stack.hidden_upstream)


def test_through_the_proxy_it_is_reached(context: TestContext) -> None:
    url = context.serve("a", server=context.stack.hidden_upstream)
    job, _ = context.run({"a": url}, job_type="it_proxied")

    assert len(context.requests_for("a", context.stack.proxy)) == 1
    assert len(context.requests_for("a", context.stack.hidden_upstream)) == 1
    assert context.object(job.key("a")).body == context.served[url]
