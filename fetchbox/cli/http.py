"""The HTTP client of the commands: one request at a time, answers as typed values.

Every failure is a ClientError that says what to do; nothing of http.client gets out.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    IncompleteRead,
)
from socket import gaierror
from typing import Final, TypeVar
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import msgspec
from msgspec import Struct

from fetchbox.cli.exits import Exit

TOKEN_HEADER: Final = "X-Fetchbox-Operator-Token"  # noqa: S105 - the name of a header
JSON: Final = "application/json"
CONNECT_TIMEOUT_S: Final = 5.0
#: Longer than the server's own request timeout, and than the silence of a followed log.
READ_TIMEOUT_S: Final = 40.0

_REDIRECTS: Final = 300
_ERRORS: Final = 400
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
#: An error body is small; whatever is larger is not ours.
_MAX_ERROR_BYTES: Final = 65_536
_CHUNK_BYTES: Final = 65_536

T = TypeVar("T", bound=Struct)
Query = Mapping[str, str | int | None]
Headers = Mapping[str, str | None]
_NOTHING: Final[Mapping[str, None]] = {}


class ClientError(Exception):
    """A command cannot go on; the message is for the terminal, the code for the shell."""

    def __init__(self, message: str, code: Exit) -> None:
        """Say what happened and the remedy."""
        super().__init__(message)
        self.code = code


class LostError(ClientError):
    """The server is not there or went away; trying again may help."""

    def __init__(self, message: str, code: Exit = Exit.UNREACHABLE) -> None:
        """Take another code where the server itself gave up."""
        super().__init__(message, code)


class ErrorFacts(Struct):
    """`error` of an answer."""

    code: str
    message: str
    job_id: str = ""
    details: dict[str, str | int] = msgspec.field(default_factory=dict)


class Problem(Struct):
    """An error answer."""

    error: ErrorFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request; entries that are None are left out."""

    path: str
    method: str = "GET"
    query: Query = field(default_factory=dict)
    headers: Headers = field(default_factory=dict)
    body: bytes | None = None


class ApiClient:
    """A FetchBox API, by its address. Opens a connection per request."""

    def __init__(self, server: str, token: str | None = None) -> None:
        """Check the address; raises ClientError."""
        self._parts = _server_parts(server)
        self._token = token or None
        self.server = f"{self._parts.scheme}://{self._parts.netloc}{self._parts.path}".rstrip("/")

    def get(self, path: str, shape: type[T], query: Query = _NOTHING) -> T:
        """Return what lies at `path`; raises ClientError."""
        return self._answer(Ask(path=path, query=query), shape)

    def post(
        self, path: str, shape: type[T], body: bytes | None = None, headers: Headers = _NOTHING
    ) -> T:
        """Return what the server says to a POST; raises ClientError."""
        sent = headers if body is None else {"Content-Type": JSON, **headers}
        return self._answer(Ask(method="POST", path=path, body=body, headers=sent), shape)

    @contextmanager
    def stream(
        self, path: str, media_type: str, query: Query = _NOTHING, headers: Headers = _NOTHING
    ) -> Iterator[Iterator[bytes]]:
        """Open an answer that is read line by line, without line ends; reading raises too."""
        with self._exchange(Ask(path=path, query=query, headers=headers)) as response:
            if response.headers.get_content_type() != media_type:
                raise self._stranger(response.status)
            yield self._lines(response)

    def _lines(self, response: HTTPResponse) -> Iterator[bytes]:
        """Yield whole lines; http.client's own line reading takes a cut stream for a whole one."""
        rest = b""
        while chunk := self._chunk(response):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
        if rest:
            yield rest

    def _chunk(self, response: HTTPResponse) -> bytes:
        with self._translated():
            chunk = response.read1(_CHUNK_BYTES)
            if not chunk and response.length:
                raise IncompleteRead(chunk, response.length)
            return chunk

    def _answer(self, ask: Ask, shape: type[T]) -> T:
        with self._exchange(ask) as response:
            with self._translated():
                body = response.read()
            try:
                return msgspec.json.decode(body, type=shape)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise self._stranger(response.status) from error

    @contextmanager
    def _exchange(self, ask: Ask) -> Iterator[HTTPResponse]:
        """Send a request; yields its answer if that is a success."""
        target, headers = self._target(ask), self._headers(ask.headers)
        connection = self._connection()
        try:
            with self._translated():
                connection.connect()
                connection.sock.settimeout(READ_TIMEOUT_S)
                # A server that refuses a large body answers before it has read all of it.
                with suppress(ConnectionError):
                    connection.request(ask.method, target, body=ask.body, headers=headers)
                response = connection.getresponse()
                if response.status >= _REDIRECTS:
                    raise self._refusal(response)
            yield response
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return HTTPSConnection(host, port, timeout=CONNECT_TIMEOUT_S)
        return HTTPConnection(host, port, timeout=CONNECT_TIMEOUT_S)

    def _target(self, ask: Ask) -> str:
        query = urlencode({name: value for name, value in ask.query.items() if value is not None})
        path = self._parts.path.rstrip("/") + ask.path
        return f"{path}?{query}" if query else path

    def _headers(self, headers: Headers) -> Mapping[str, bytes]:
        named = {"Accept": "*/*", TOKEN_HEADER: self._token, **headers}
        return {name: _header_value(name, text) for name, text in named.items() if text}

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OSError, HTTPException) as error:
            raise LostError(_reason(error, self.server)) from error

    def _refusal(self, response: HTTPResponse) -> ClientError:
        if response.status < _ERRORS:
            where = response.headers.get("Location", "nowhere")
            text = f"{self.server} redirects to {where}; give --server the address it means"
            return ClientError(text, Exit.UNREACHABLE)
        try:
            problem = msgspec.json.decode(response.read(_MAX_ERROR_BYTES), type=Problem)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._stranger(response.status)
        code = Exit.NOT_FOUND if response.status == _NOT_FOUND else Exit.REFUSED
        return ClientError(told(problem.error, response.status), code)

    def _stranger(self, status: int) -> ClientError:
        text = f"{self.server} answered {status}, but not as FetchBox does; check --server"
        return ClientError(text, Exit.UNREACHABLE)


def told(error: ErrorFacts, status: int = 0) -> str:
    """Show an error answer in one line, with the remedy where it is ours to know."""
    text = f"{error.code}: {error.message}"
    if error.job_id:
        text += f" (job {error.job_id})"
    if status == _UNAUTHORIZED:
        text += "; use --token or FETCHBOX_OPERATOR_TOKEN"
    return text


def segment(text: str) -> str:
    """Quote an id for use in a path."""
    return quote(text, safe="")


def _server_parts(server: str) -> SplitResult:
    address = server if "://" in server else f"http://{server}"
    try:
        parts = urlsplit(address)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise _no_address(server) from error
    is_plain = parts.username is None and not parts.query and not parts.fragment
    if parts.scheme not in {"http", "https"} or not has_host or not is_plain:
        raise _no_address(server)
    return parts


def _no_address(server: str) -> ClientError:
    text = f"--server {server!r} is no address; write it like http://127.0.0.1:8080"
    return ClientError(text, Exit.USAGE)


def _header_value(name: str, text: str) -> bytes:
    if not text.isprintable():
        message = f"the value for {name} must not contain control characters"
        raise ClientError(message, Exit.USAGE)
    return text.encode()


#: What is said of each kind of failure, the special ones first; {} stands for the address.
_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (
        ConnectionRefusedError,
        "nothing listens at {}; start the service (`fetchbox dev`) or name another with --server",
    ),
    (TimeoutError, "{} does not answer; try again, or name another with --server"),
    (gaierror, "the host of {} is not known; check --server"),
    (ssl.SSLError, "{} offers no TLS connection that can be trusted; check --server"),
    (ConnectionError, "{} closed the connection; try again, and look at its log"),
    (HTTPException, "{} broke off, or does not speak HTTP; check --server"),
    (OSError, "{} cannot be reached; check --server"),
)


def _reason(error: Exception, server: str) -> str:
    text = next(text for kind, text in _REASONS if isinstance(error, kind))
    return text.format(server)
