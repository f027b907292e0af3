"""Proxies with credentials, tunnels, forbidden networks, and what a redirect may carry."""

import base64

import pytest

from tests.common.context import TestContext
from tests.common.manifests import manifest, resource
from tests.common.topics import dead_letters
from tests.common.wiremock import redirect

PASSWORD = "box"
BASIC = base64.b64encode(b"fetch:box").decode()


def test_a_proxy_gets_its_credentials(context: TestContext) -> None:
    job, _ = context.run({"a": context.peer_bytes(10)}, job_type="it_auth_proxy")

    asked = context.stack.peers.traffic(context.case, "proxy_auth")
    assert list(asked.users) == ["fetch"]
    assert list(context.stack.peers.traffic(context.case).via) == ["proxy_auth"]
    (line,) = context.completions(job.job_id)
    assert line["fields"]["proxy"] == "proxies/with-credentials#1"


def test_proxy_credentials_stay_with_the_proxy(context: TestContext) -> None:
    """Neither the origin nor a log nor a dead letter shows them."""
    urls = {"a": context.peer_bytes(10), "gone": context.peer("status/404")}
    job, _ = context.run(urls, job_type="it_auth_proxy", status="failed")

    assert len(context.stack.peers.traffic(context.case, "proxy_auth").seen) == 2
    for seen in context.stack.peers.traffic(context.case).seen:
        assert seen.header("Proxy-Authorization") is None
    logged = "\n".join(context.stack.logs.lines(context.mark, [job.job_id]))
    letters = context.get("/dlq", job_id=job.job_id).text
    events = str(context.log_lines(job.job_id))
    for secret in ("fetch:box", BASIC):
        assert secret not in logged + letters + events + str(context.snapshot(job.job_id))


@pytest.mark.parametrize("job_type", ["it_wrong_credentials", "it_proxy_407"])
def test_a_proxy_that_refuses_us_is_exhausted(context: TestContext, job_type: str) -> None:
    job, shown = context.run({"a": context.peer("bytes/1")}, job_type=job_type, status="failed")

    assert shown["last_error"]["code"] == "DOWNLOAD_PROXY_EXHAUSTED"
    assert not context.stack.peers.traffic(context.case).seen
    (letter,) = dead_letters(context.iggy_client, job.job_id)
    assert letter.failure_code == "DOWNLOAD_PROXY_EXHAUSTED"


@pytest.mark.parametrize("job_type", ["it_tunnel", "it_auth_proxy"])
def test_https_goes_through_connect(context: TestContext, job_type: str) -> None:
    listener = {"it_tunnel": "proxy", "it_auth_proxy": "proxy_auth"}[job_type]
    job, _ = context.run({"a": context.peer_bytes(1000, listener="tls_origin")}, job_type=job_type)

    traffic = context.stack.peers.traffic(context.case, "tls_origin")
    assert list(traffic.via) == [listener]
    (line,) = context.completions(job.job_id)
    assert line["fields"]["http_status"] == "200"


def test_https_goes_directly_too(context: TestContext) -> None:
    context.run({"a": context.peer_bytes(1000, listener="tls_origin")})

    assert list(context.stack.peers.traffic(context.case, "tls_origin").via) == [""]


def test_a_refused_tunnel_exhausts_the_chain(context: TestContext) -> None:
    url = context.peer("bytes/1", listener="tls_origin")
    _, shown = context.run({"a": url}, job_type="it_connect_403", status="failed")

    assert shown["last_error"]["code"] == "DOWNLOAD_PROXY_EXHAUSTED"


def test_a_refused_tunnel_makes_way_for_the_fallback(context: TestContext) -> None:
    url = context.peer_bytes(10, listener="tls_origin")
    job, _ = context.run({"a": url}, job_type="it_connect_502")

    assert list(context.stack.peers.traffic(context.case, "tls_origin").via) == ["proxy"]
    line = context.log_lines(job.job_id)[-1]
    assert line["fields"]["proxy"] == "proxies/tunnel#1"


def test_a_proxy_that_hangs_makes_way_for_the_fallback(context: TestContext) -> None:
    url = context.serve("a", server=context.stack.hidden_upstream)
    context.run({"a": url}, job_type="it_fallback_hangs")

    assert len(context.requests_for("a", context.stack.proxy)) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/latest/",
    ],
    ids=["IPv4", "IPv6", "mapped", "as one number"],
)
def test_cloud_metadata_is_out_of_reach(context: TestContext, url: str) -> None:
    _, shown = context.run({"a": url}, status="failed")

    assert shown["last_error"]["code"] == "DOWNLOAD_INVALID_URL", shown["last_error"]


def test_cloud_metadata_is_out_of_reach_by_redirect(context: TestContext) -> None:
    url = context.answer("a", redirect("http://169.254.169.254/latest/meta-data/"))
    _, shown = context.run({"a": url}, status="failed")

    assert shown["last_error"]["code"] == "DOWNLOAD_INVALID_URL"
    assert len(context.requests_for("a")) == 1


def test_credentials_do_not_follow_to_another_origin(context: TestContext) -> None:
    end = context.peer_bytes(10)
    start = context.answer("start", redirect(end))
    context.served[start] = context.served[end]
    secrets = {"Authorization": "Bearer s3cret", "Cookie": "a=b", "X-Kept": "yes"}
    job = context.submit_manifest(manifest(resource("a", start, headers=secrets)))
    context.wait_for_job(job.job_id)

    (first,) = context.requests_for("start")
    (second,) = context.stack.peers.traffic(context.case).seen
    assert first.header("Authorization") == "Bearer s3cret"
    assert second.header("Authorization") is None
    assert second.header("Cookie") is None
    assert second.header("X-Kept") == "yes"


def test_credentials_follow_within_an_origin(context: TestContext) -> None:
    end = context.serve("end")
    start = context.answer("start", redirect(end))
    context.served[start] = context.served[end]
    entry = resource("a", start, headers={"Authorization": "Bearer s3cret"})
    job = context.submit_manifest(manifest(entry))
    context.wait_for_job(job.job_id)

    (second,) = context.requests_for("end")
    assert second.header("Authorization") == "Bearer s3cret"


def test_credentials_in_a_url_are_masked_in_logs(context: TestContext) -> None:
    url = context.serve("a").replace("://", "://user:hunter2@") + "?token=t0psecret"
    context.served[url] = f"{context.case}/a".encode()
    job, _ = context.run({"a": url})

    logged = "\n".join(context.stack.logs.lines(context.mark, [job.job_id]))
    events = str(context.log_lines(job.job_id))
    for secret in ("hunter2", "t0psecret"):
        assert secret not in logged
        assert secret not in events
