"""The client of the commands: a clear line for everything that can be at the other end."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from fetchbox.api.answers import JobAnswer
from fetchbox.cli.exits import Exit
from fetchbox.cli.http import ApiClient, ClientError, segment
from tests.fakes.served import ScriptedServer, ServedApi, answer, make_job
from tests.unit.cli.conftest import Run

PATH = "/operators/jobs/j"


@pytest.fixture
def free_port() -> Iterator[int]:
    """Give a port nothing listens at."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def refused(server: str) -> ClientError:
    with pytest.raises(ClientError) as caught:
        ApiClient(server).get(PATH, JobAnswer)
    return caught.value


def test_server_that_is_down(free_port: int) -> None:
    error = refused(f"127.0.0.1:{free_port}")
    assert error.code == Exit.UNREACHABLE
    assert str(error) == (
        f"nothing listens at http://127.0.0.1:{free_port}; "
        "start the service (`fetchbox dev`) or name another with --server"
    )


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(answer("200 OK", b"<html></html>", "text/html"), id="page"),
        pytest.param(answer("200 OK", b'{"job_id": "j"}'), id="other-json"),
        pytest.param(answer("200 OK", b"[" * 10_000), id="deep-json"),
        pytest.param(answer("200 OK", b"\xff"), id="not-utf-8"),
        pytest.param(answer("404 Not Found", b"nothing here", "text/plain"), id="other-error"),
        pytest.param(answer("500 Oops", b'{"error": "oops"}'), id="other-error-json"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="no-http"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", id="cut-short"),
        pytest.param(b"", id="no-answer"),
    ],
)
def test_what_is_not_fetchbox_is_told(scripted: Callable[..., ScriptedServer], sent: bytes) -> None:
    server = scripted(sent)
    error = refused(server.url)
    assert error.code == Exit.UNREACHABLE
    assert str(error).startswith(server.url)


def test_redirect_is_told_and_not_followed(scripted: Callable[..., ScriptedServer]) -> None:
    server = scripted(
        b"HTTP/1.1 301 Moved\r\nLocation: https://box.example/\r\nContent-Length: 0\r\n\r\n"
    )
    error = refused(server.url)
    assert error.code == Exit.UNREACHABLE
    assert "redirects to https://box.example/" in str(error)


def test_early_refusal_of_a_large_body_is_read(scripted: Callable[..., ScriptedServer]) -> None:
    body = b'{"error": {"code": "PAYLOAD_TOO_LARGE", "message": "too large"}}'
    server = scripted(answer("413 Content Too Large", body))
    with pytest.raises(ClientError, match="PAYLOAD_TOO_LARGE: too large"):
        ApiClient(server.url).post("/jobs", JobAnswer, b"x" * 4_000_000)


@pytest.mark.parametrize(
    "server",
    [
        "",
        "http://",
        "ftp://127.0.0.1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:x",
        "http://127.0.0.1:99999",
        "http://user:secret@127.0.0.1",
        "http://127.0.0.1/?a=b",
        "http://[::1",
    ],
)
def test_address_that_is_none_is_misuse(server: str) -> None:
    with pytest.raises(ClientError) as caught:
        ApiClient(server)
    assert caught.value.code == Exit.USAGE


def test_address_may_leave_out_the_scheme_and_have_a_path(
    scripted: Callable[..., ScriptedServer],
) -> None:
    server = scripted(answer("404 Not Found", b'{"error":{"code":"NOT_FOUND","message":"m"}}'))
    assert refused(server.url.removeprefix("http://") + "/box/").code == Exit.NOT_FOUND
    assert server.requests[0].startswith(b"GET /box/operators/jobs/j HTTP/1.1\r\n")


def test_name_that_is_unknown() -> None:
    error = refused("http://box.invalid")
    assert (error.code, "box.invalid is not known" in str(error)) == (Exit.UNREACHABLE, True)


def test_id_is_quoted() -> None:
    assert segment("a/../b c?") == "a%2F..%2Fb%20c%3F"


def test_plain_server_asked_over_tls(api: ServedApi) -> None:
    error = refused(api.url.replace("http://", "https://"))
    assert (error.code, "TLS" in str(error)) == (Exit.UNREACHABLE, True)


# The operator token.


def test_token_is_wanted(run: Run) -> None:
    with ServedApi().running(operator_token="secret") as api:
        api.ledger.stages = [make_job()]
        without = run("jobs", "show", "j", "--server", api.url)
        assert without.exit_code == Exit.REFUSED
        assert "use --token or FETCHBOX_OPERATOR_TOKEN" in without.stderr
        assert run("jobs", "show", "j", "--server", api.url, "--token", "no").exit_code == 1
        assert run("jobs", "show", "j", "--server", api.url, "--token", "secret").exit_code == 0
        named = {"FETCHBOX_SERVER": api.url, "FETCHBOX_OPERATOR_TOKEN": "secret"}
        assert run("jobs", "show", "j", **named).exit_code == Exit.OK


def test_change_beyond_loopback_is_refused(run: Run) -> None:
    with ServedApi().running(is_loopback=False) as api:
        ended = run("ledger", "prune", "--server", api.url)
    assert ended.exit_code == Exit.REFUSED
    assert "set server.operator_token" in ended.stderr
