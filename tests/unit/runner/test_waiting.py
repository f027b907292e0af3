"""A wait says what it saw."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from runner.waiting import Endpoint, NotYetError, WaitFailedError, wait_for, wait_until


class _Unwell(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/well" else 503)
        self.end_headers()
        self.wfile.write(b"no broker")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Stay quiet."""


@pytest.fixture
def unwell() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Unwell)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _failure(endpoint: Endpoint) -> str:
    with pytest.raises(WaitFailedError) as caught:
        wait_for(endpoint)
    return str(caught.value)


def test_wait_until_returns_the_first_value_that_satisfies() -> None:
    values = iter([1, 2, 3, 4])
    assert wait_until(lambda: next(values), 5, "three", until=lambda seen: seen >= 3) == 3


def test_wait_until_fails_with_the_last_observed_state() -> None:
    states = iter(["queued", *["in_progress"] * 1000])
    with pytest.raises(WaitFailedError, match=r"job j1 completes: not within .*'in_progress'"):
        wait_until(lambda: next(states), 0.05, "job j1 completes", until=lambda s: s == "completed")


def test_wait_until_keeps_the_last_error_as_cause() -> None:
    def check() -> bool:
        message = "2 of 3 stored"
        raise NotYetError(message)

    with pytest.raises(WaitFailedError, match="2 of 3 stored") as caught:
        wait_until(check, 0.02, "three objects")
    assert isinstance(caught.value.__cause__, NotYetError)


def test_wait_until_lets_a_bug_out_at_once() -> None:
    def check() -> bool:
        return {"a": True}["no such key"]

    with pytest.raises(KeyError):
        wait_until(check, 60, "never")


def test_wait_until_gives_up_when_hopeless() -> None:
    with pytest.raises(WaitFailedError, match=r"gave up .* its process ended with 3"):
        wait_until(lambda: False, 60, "ready", hopeless=lambda: "its process ended with 3")


def test_wait_until_shortens_a_long_state() -> None:
    with pytest.raises(WaitFailedError, match=r"\.\.\. \(\d+ more characters\)"):
        wait_until(lambda: "x" * 10_000, 0, "short", until=lambda _: False)


def test_wait_for_says_refused() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        endpoint = Endpoint(name="api", url=f"http://127.0.0.1:{port}/", within_s=0.05)
        assert "refused" in _failure(endpoint)


def test_wait_for_says_never_resolved() -> None:
    endpoint = Endpoint(name="iggy", url="tcp://no-such-host.invalid:8090", within_s=0.0)
    assert "the name no-such-host.invalid never resolved" in _failure(endpoint)


def test_wait_for_says_what_was_answered(unwell: str) -> None:
    endpoint = Endpoint(name="api", url=f"{unwell}/ready", within_s=0.05)
    assert "answered 503: no broker" in _failure(endpoint)


def test_wait_for_says_closed_before_an_answer() -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        connection, _ = server.accept()
        connection.recv(1_000)
        connection.close()

    thread = Thread(target=hang_up)
    thread.start()
    port = server.getsockname()[1]
    text = _failure(Endpoint(name="s3", url=f"http://127.0.0.1:{port}/", within_s=0.0))
    thread.join()
    server.close()
    assert "closed before an answer" in text


def test_wait_for_ends_when_answered(unwell: str) -> None:
    assert wait_for(Endpoint(name="api", url=f"{unwell}/well")) < 5
    assert wait_for(Endpoint(name="api", url=unwell.replace("http", "tcp"))) < 5


def test_wait_for_refuses_a_url_without_a_port() -> None:
    with pytest.raises(ValueError, match="needs a host and a port"):
        wait_for(Endpoint(name="api", url="http://somewhere/"))
