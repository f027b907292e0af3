"""Buckets on S3 and what speaks its language.

Objects go through obstore, one store per bucket, small ones directly (`small.py`). obstore cannot
create or probe a bucket, so it signs the request and aiohttp sends it.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit
from xml.sax.saxutils import escape

import aiohttp
import obstore
from obstore.store import ObjectStore, S3Store
from yarl import URL

from fetchbox.model.failure import FailureCode, failure
from fetchbox.storage.attributes import header_attributes
from fetchbox.storage.buckets import MAX_OPEN, NothingBeside, put_whole
from fetchbox.storage.faults import answered, located
from fetchbox.storage.port import UploadOptions
from fetchbox.storage.small import MAX_BYTES, SmallPuts, is_proxied, place_of

if TYPE_CHECKING:  # obstore has these in its stubs only
    from obstore import HTTP_METHOD
    from obstore.store import ClientConfig, S3Config

#: A part of 5 MiB must fit in: about 700 kbit/s.
REQUEST_TIMEOUT: Final = timedelta(seconds=60)
CONNECT_TIMEOUT: Final = timedelta(seconds=5)
PROBE_TIMEOUT_S: Final = 10
#: Retries are the caller's, who still has a small body. Of a large one the caller has nothing left
#: but to download it again; and the abort that ends a broken upload, lost, leaves parts that nobody
#: sees.
PART_RETRIES: Final = 2
DEFAULT_REGION: Final = "us-east-1"

_OK: Final = 200
_NOT_FOUND: Final = 404
_OURS_ALREADY: Final = "BucketAlreadyOwnedByYou"
_LOCATION: Final = (
    '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Options:
    """Where S3 is and who we are.

    Attributes:
        endpoint: None means Amazon's own for the region.
        access_key, secret_key: both or neither; neither means the environment, a web identity
            token, or the instance's role.
        force_path_style: the bucket in the path, not in the host name.

    """

    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    force_path_style: bool = True


class S3Buckets(NothingBeside):
    """Opens a store per bucket and keeps the last ones."""

    def __init__(self, options: S3Options) -> None:
        """Connect to nothing yet."""
        self._options = options
        self._stores: dict[tuple[str, int], S3Store] = {}
        self._small: dict[str, SmallPuts | None] = {}

    def store(self, bucket: str) -> ObjectStore:
        """Return the store of a bucket, which may not exist."""
        return self._open(bucket)

    def stream_store(self, bucket: str) -> ObjectStore:
        """Return a store for uploads in parts."""
        return self._open(bucket, PART_RETRIES)

    def attributes(self, options: UploadOptions) -> dict[str, str]:
        """Return the headers."""
        return header_attributes(options)

    async def put(self, options: UploadOptions, body: bytes) -> str:
        """Store a small object, directly where that is possible."""
        attributes = header_attributes(options)
        if len(body) <= MAX_BYTES and (small := self._small_puts(options.bucket)) is not None:
            etag = await small.put(options.key, attributes, body)
            if etag is not None:
                return etag
        return await put_whole(self.store(options.bucket), options.key, body, attributes)

    def close(self) -> None:
        """End idle connections; obstore ends its own."""
        for small in filter(None, self._small.values()):
            small.close()

    async def ensure(self, bucket: str) -> None:
        """Create the bucket unless it is there."""
        status, _ = await self._ask("HEAD", bucket)
        if status != _NOT_FOUND:
            _refuse_bad(bucket, status, "")
            return
        region = self._options.region or DEFAULT_REGION
        body = _LOCATION.format(escape(region)) if region != DEFAULT_REGION else ""
        status, text = await self._ask("PUT", bucket, body)
        if _OURS_ALREADY not in text:
            _refuse_bad(bucket, status, text)

    async def check(self, bucket: str) -> None:
        """Send HEAD; it needs the right to list the bucket."""
        status, _ = await self._ask("HEAD", bucket)
        _refuse_bad(bucket, status, "<Code>NoSuchBucket</Code>" if status == _NOT_FOUND else "")

    def _open(self, bucket: str, retries: int = 0) -> S3Store:
        store = self._stores.get((bucket, retries))
        if store is None:
            store = _make_store(self._options, bucket, retries)
            while len(self._stores) >= MAX_OPEN:
                del self._stores[next(iter(self._stores))]
            self._stores[bucket, retries] = store
        return store

    def _small_puts(self, bucket: str) -> SmallPuts | None:
        """Return the direct way to a bucket; None where there is none."""
        if bucket not in self._small:
            while len(self._small) >= MAX_OPEN:
                oldest = self._small.pop(next(iter(self._small)))
                if oldest is not None:
                    oldest.close()
            self._small[bucket] = self._make_small_puts(bucket)
        return self._small[bucket]

    def _make_small_puts(self, bucket: str) -> SmallPuts | None:
        if not (self._options.access_key and self._options.secret_key):
            return None
        place = place_of(self._open(bucket), self._options.secret_key)
        if is_proxied(place):
            return None
        return SmallPuts(
            place,
            bucket,
            connect_s=CONNECT_TIMEOUT.total_seconds(),
            request_s=REQUEST_TIMEOUT.total_seconds(),
        )

    async def _ask(self, method: "HTTP_METHOD", bucket: str, body: str = "") -> tuple[int, str]:
        signed = await obstore.sign_async(self._open(bucket), method, "", REQUEST_TIMEOUT)
        timeout = aiohttp.ClientTimeout(
            total=PROBE_TIMEOUT_S, connect=CONNECT_TIMEOUT.total_seconds()
        )
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
                session.request(
                    method, URL(signed, encoded=True), data=body.encode(), allow_redirects=False
                ) as answer,
            ):
                return answer.status, await answer.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError) as error:
            message = f"storage could not be reached ({type(error).__name__})"
            raise located(failure(FailureCode.UPLOAD_NETWORK, message), bucket) from error


def _refuse_bad(bucket: str, status: int, text: str) -> None:
    if status != _OK:
        raise located(answered(status, text), bucket)


def _make_store(options: S3Options, bucket: str, retries: int) -> S3Store:
    """Open a store that repeats a failed request `retries` times."""
    config: S3Config = {
        "virtual_hosted_style_request": not options.force_path_style,
        "unsigned_payload": True,  # else every body is hashed twice
        "disable_bulk_delete": True,
    }
    if endpoint := endpoint_of(options, bucket):
        config["endpoint"] = endpoint
    if options.region:
        config["region"] = options.region
    if options.access_key and options.secret_key:
        config["access_key_id"] = options.access_key
        config["secret_access_key"] = options.secret_key
    client: ClientConfig = {
        "allow_http": (options.endpoint or "").startswith("http://"),
        "timeout": REQUEST_TIMEOUT,
        "connect_timeout": CONNECT_TIMEOUT,
    }
    return S3Store(
        bucket,
        config=config,
        client_options=client,
        retry_config={"max_retries": retries, "retry_timeout": REQUEST_TIMEOUT},
    )


def endpoint_of(options: S3Options, bucket: str) -> str | None:
    """Put the bucket into the host name where obstore expects it there; None for Amazon's own."""
    if not options.endpoint:
        return None
    endpoint = options.endpoint.rstrip("/")
    if options.force_path_style:
        return endpoint
    parts = urlsplit(endpoint)
    return urlunsplit(parts._replace(netloc=f"{bucket}.{parts.netloc}"))
