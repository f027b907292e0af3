"""Small bodies to S3 in one signed request each, past obstore.

At a fraction of its CPU: no change of threads, and nothing is looked at twice. obstore still says
where a bucket is and does everything else, small bodies included where this way is not open: keys
that nobody configured, a proxy on the way, a redirect.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import obstore
from obstore.store import S3Store

from fetchbox.model.failure import FailureCode, failure
from fetchbox.storage.connections import (
    Answer,
    BrokenError,
    ConnectError,
    Connections,
    Server,
)
from fetchbox.storage.faults import answered, located
from fetchbox.storage.signature import MOMENT, UNSIGNED, Signer, authorization

#: Of a longer body the request is a small part, and it would lie in a buffer that nobody bounds.
MAX_BYTES: Final = 1024 * 1024

#: Attributes that are headers of their own; the others are user metadata.
_HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "cache-control",
    "content-disposition": "content-disposition",
    "content-encoding": "content-encoding",
    "content-language": "content-language",
    "content-type": "content-type",
    "storage-class": "x-amz-storage-class",
}
_FAULTS: Final[Mapping[type[Exception], str]] = {
    TimeoutError: "storage did not answer in time",
    ConnectError: "could not connect to storage",
    BrokenError: "the connection to storage broke",
}
_ANY_KEY: Final = "k"
_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
_OK: Final = 200
_REDIRECTS: Final = range(300, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the objects of a bucket are: `origin` without a path, `prefix` before the key."""

    origin: str
    prefix: str
    signer: Signer


def place_of(store: S3Store, secret_key: str) -> Place:
    """Let obstore, which knows the environment too, say where a bucket is and who signs."""
    signed = urlsplit(obstore.sign(store, "PUT", _ANY_KEY, timedelta(minutes=1)))
    query = parse_qs(signed.query)
    access_key, _, region, *_ = query["X-Amz-Credential"][0].rsplit("/", 4)
    return Place(
        origin=f"{signed.scheme}://{signed.netloc}",
        prefix=signed.path.removesuffix(_ANY_KEY),
        signer=Signer(
            access_key=access_key,
            secret_key=secret_key,
            region=region,
            token=query.get("X-Amz-Security-Token", [""])[0],
        ),
    )


class SmallPuts:
    """Sends small bodies to one bucket."""

    def __init__(self, place: Place, bucket: str, *, connect_s: float, request_s: float) -> None:
        """Connect to nothing yet."""
        parts = urlsplit(place.origin)
        self._place = place
        self._bucket = bucket
        self._host = parts.netloc.rpartition("@")[2]
        self._request_s = request_s
        self._connections = Connections(
            Server(
                host=parts.hostname or "",
                port=parts.port or _PORTS[parts.scheme],
                tls=ssl.create_default_context() if parts.scheme == "https" else None,
                connect_timeout_s=connect_s,
            )
        )

    async def put(self, key: str, attributes: Mapping[str, str], body: bytes) -> str | None:
        """Store and return the ETag; None when obstore has to. Raises StorageError."""
        head = self._head(key, attributes, len(body))
        try:
            async with asyncio.timeout(self._request_s):
                answer = await self._connections.send(head, body)
        except tuple(_FAULTS) as error:
            cause = failure(FailureCode.UPLOAD_NETWORK, _FAULTS[type(error)])
            raise located(cause, self._bucket) from error
        return self._etag(answer)

    def close(self) -> None:
        """End idle connections."""
        self._connections.close()

    def _head(self, key: str, attributes: Mapping[str, str], size: int) -> bytes:
        place = self._place
        path = place.prefix + quote(key)
        headers = {
            _HEADERS.get(name) or f"x-amz-meta-{name}": value for name, value in attributes.items()
        }
        headers["host"] = self._host
        headers["x-amz-content-sha256"] = UNSIGNED
        headers["x-amz-date"] = datetime.now(UTC).strftime(MOMENT)
        if place.signer.token:
            headers["x-amz-security-token"] = place.signer.token
        headers["authorization"] = authorization(place.signer, "PUT", path, headers)
        headers["content-length"] = str(size)
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        return f"PUT {path} HTTP/1.1\r\n{lines}\r\n".encode()

    def _etag(self, answer: Answer) -> str | None:
        if answer.status in _REDIRECTS:
            return None
        if answer.status != _OK:
            text = answer.text.decode(errors="replace")
            raise located(answered(answer.status, text), self._bucket)
        return answer.etag


def is_proxied(place: Place) -> bool:
    """Whether the environment puts a proxy on the way, which obstore goes through."""
    parts = urlsplit(place.origin)
    proxies = getproxies()
    return (parts.scheme in proxies or "all" in proxies) and not proxy_bypass(parts.netloc)
