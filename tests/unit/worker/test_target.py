"""Where an object goes and how its request looks (contract 5.2, 5.6, 5.8)."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from fetchbox.fetch.rotation import FailoverOrder, Rotation
from fetchbox.handlers.port import HandlerConfig
from fetchbox.model.proxies import ProxyPool
from fetchbox.model.task import DownloadTask, ProxyHint, StorageHint
from fetchbox.worker.target import Router, task_fault, upload_options
from tests.factories import JOB_ID, make_pool, make_pools, make_task

POOLS = make_pools(
    make_pool("own"),
    make_pool("eu", "http://eu-1:1", "http://eu-2:1", fallbacks=("global",)),
    make_pool("global"),
    make_pool("broken", fallbacks=("nowhere",)),
)
DIGEST = "0123456789abcdef" * 4


def make_router(
    config: HandlerConfig | None = None,
    *,
    pools: Mapping[str, ProxyPool] = POOLS,
    default_prefix: str = "",
) -> Router:
    return Router(
        handlers={"default": config or HandlerConfig()},
        pools=pools,
        rotation=Rotation(FailoverOrder.SEQUENTIAL),
        bucket="fetchbox-default",
        default_prefix=default_prefix,
    )


@pytest.mark.parametrize(
    ("task", "code", "says"),
    [
        pytest.param({"job_id": ""}, "VALIDATION_MISSING_FIELD", "job_id", id="no-job"),
        pytest.param({"resource_id": ""}, "VALIDATION_MISSING_FIELD", "resource_id", id="no-id"),
        pytest.param({"url": ""}, "VALIDATION_MISSING_FIELD", "url", id="no-url"),
        pytest.param({"url": "ftp://u:s3cret@h/"}, "DOWNLOAD_INVALID_URL", "http", id="ftp"),
        pytest.param({"url": "file:///etc/passwd"}, "DOWNLOAD_INVALID_URL", "http", id="file"),
        pytest.param({"url": "h.test/x"}, "DOWNLOAD_INVALID_URL", "http", id="no-scheme"),
    ],
)
def test_task_that_can_never_succeed_is_refused(task: dict[str, str], code: str, says: str) -> None:
    fault = task_fault(make_task(**task))

    assert fault is not None
    assert (fault.code, fault.retryable) == (code, False)
    assert says in fault.message
    assert "s3cret" not in f"{fault}"


@pytest.mark.parametrize("url", ["http://h/", "https://h/", "HTTPS://h/"])
def test_task_is_good(url: str) -> None:
    assert task_fault(make_task(url=url)) is None


@pytest.mark.parametrize(
    ("defaults", "own", "sent"),
    [
        pytest.param({}, (("a", "1"),), (("a", "1"),), id="own"),
        pytest.param({"User-Agent": "d"}, (), (("user-agent", "d"),), id="default"),
        pytest.param(
            {"User-Agent": "d", "B": "2"},
            (("user-agent", "o"), ("c", "3")),
            (("user-agent", "o"), ("b", "2"), ("c", "3")),
            id="own-wins-whatever-the-case",
        ),
    ],
)
def test_headers_are_merged(
    defaults: dict[str, str],
    own: tuple[tuple[str, str], ...],
    sent: tuple[tuple[str, str], ...],
) -> None:
    router = make_router(HandlerConfig(default_headers=defaults))
    assert router.route(make_task(headers=own)).headers == sent


@pytest.mark.parametrize(
    ("hint", "section", "bucket"),
    [
        pytest.param(None, None, "fetchbox-default", id="default"),
        pytest.param(None, "section", "section", id="section"),
        pytest.param(StorageHint(key_prefix="p"), "section", "section", id="hint-without-bucket"),
        pytest.param(StorageHint(bucket="hint"), "section", "hint", id="hint"),
    ],
)
def test_bucket_is_that_of_hint_section_or_default(
    hint: StorageHint | None, section: str | None, bucket: str
) -> None:
    router = make_router(HandlerConfig(storage_bucket=section))
    assert router.route(make_task(storage_hint=hint)).bucket == bucket


@pytest.mark.parametrize(
    ("hint", "key"),
    [
        pytest.param(None, f"pre/resources/default/{JOB_ID}/a/b", id="template"),
        pytest.param(StorageHint(key_prefix="g/"), "g/a/b", id="prefix"),
        pytest.param(StorageHint(key="x", key_prefix="g"), "x", id="key"),
    ],
)
def test_key_follows_the_hint(hint: StorageHint | None, key: str) -> None:
    router = make_router(default_prefix="pre/")
    assert router.route(make_task(resource_id="a/b", storage_hint=hint)).key == key


@pytest.mark.parametrize(
    ("hint", "section", "chain"),
    [
        pytest.param(None, None, [], id="direct"),
        pytest.param(None, "own", ["own#1"], id="section"),
        pytest.param(None, "pools/eu", ["eu#1", "eu#2", "global#1"], id="section-with-fallback"),
        pytest.param(ProxyHint(primary_pool="own"), "eu", ["own#1"], id="hint-first"),
        pytest.param(
            ProxyHint(primary_pool="proxies/global", fallbacks=("pools/own",)),
            None,
            ["global#1", "own#1"],
            id="hint-with-fallbacks",
        ),
        pytest.param(
            ProxyHint(primary_pool="nowhere", fallbacks=("own",)),
            "eu",
            ["own#1"],
            id="part-unknown",
        ),
        pytest.param(ProxyHint(primary_pool="nowhere"), "own", ["own#1"], id="unknown-to-section"),
        pytest.param(ProxyHint(primary_pool="nowhere"), None, [], id="unknown-to-direct"),
        pytest.param(ProxyHint(), "own", ["own#1"], id="empty-hint"),
        pytest.param(ProxyHint(fallbacks=("own",)), None, ["own#1"], id="only-fallbacks"),
        pytest.param(ProxyHint(primary_pool="broken"), "own", ["own#1"], id="broken-pool"),
    ],
)
def test_proxy_chain_is_that_of_hint_section_or_none(
    hint: ProxyHint | None, section: str | None, chain: Sequence[str]
) -> None:
    router = make_router(HandlerConfig(proxy_pool=section))
    for _ in range(2):  # once resolved, once from the cache
        errand = router.route(make_task(proxy_hint=hint))
        assert [each.label for each in errand.endpoints] == [f"proxies/{name}" for name in chain]


def test_unknown_pool_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    router = make_router()
    for other in ("own", "global"):
        hint = ProxyHint(primary_pool="nowhere", fallbacks=(other,))
        router.route(make_task(proxy_hint=hint))
    assert caplog.messages == ["unknown proxy pool skipped"]


def test_free_text_in_hints_does_not_fill_the_memory() -> None:
    router = make_router()
    for number in range(3000):
        router.route(make_task(proxy_hint=ProxyHint(primary_pool=f"p{number}")))
    assert len(router._chains) <= 1000
    assert len(router._unknown) <= 1000


def test_unknown_job_type_has_an_empty_section() -> None:
    errand = make_router().route(make_task(job_type="direct"))
    assert errand.key == f"resources/direct/{JOB_ID}/r1"
    assert (errand.bucket, errand.endpoints) == ("fetchbox-default", ())


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        pytest.param(f"sha256:{DIGEST}", DIGEST, id="full"),
        pytest.param(f"sha256:{DIGEST.upper()}", DIGEST, id="upper-case"),
        pytest.param(f"sha256:{DIGEST[1:]}", None, id="short"),
        pytest.param(f"md5:{DIGEST}", None, id="other"),
        pytest.param(f"sha256:{DIGEST}\n", None, id="line-break"),
        pytest.param("", None, id="none"),
    ],
)
def test_only_a_full_digest_is_verified(hint: str, expected: str | None) -> None:
    assert make_router().route(make_task(checksum_hint=hint)).expected_sha256 == expected


def options_of(
    task: DownloadTask, *, content_type: str = "", encoding: str = "", sha256: str | None = None
) -> Any:
    return upload_options(
        make_router().route(task),
        content_type=content_type,
        content_encoding=encoding,
        sha256=sha256,
    )


@pytest.mark.parametrize(
    ("metadata", "mime", "answered", "url", "expected"),
    [
        pytest.param({"content-type": "a/a"}, "b/b", "c/c", "x.png", "a/a", id="hint-metadata"),
        pytest.param({}, "b/b", "c/c", "x.png", "b/b", id="mime-hint"),
        pytest.param({}, "", "c/c; q=1", "x.png", "c/c; q=1", id="answer"),
        pytest.param({}, "", "", "x.png", "image/png", id="extension"),
        pytest.param({}, "", "", "x.png?a=b.css#c", "image/png", id="extension-of-the-path"),
        pytest.param({}, "", "", "x#y.css", "application/octet-stream", id="not-of-the-fragment"),
        pytest.param({}, "", "", "x", "application/octet-stream", id="unknown"),
        pytest.param({}, "größe", "c/c", "x", "c/c", id="mime-hint-is-no-header"),
        pytest.param({}, "", "a\x00b", "x.png", "image/png", id="answer-is-no-header"),
        pytest.param({}, "", "a\udcffb", "x.png", "image/png", id="answer-is-no-text"),
    ],
)
def test_content_type_comes_from_the_first_that_knows(
    metadata: dict[str, str], mime: str, answered: str, url: str, expected: str
) -> None:
    task = make_task(
        url=f"http://h.test/{url}", mime_hint=mime, storage_hint=StorageHint(metadata=metadata)
    )
    options = options_of(task, content_type=answered)
    assert options.content_type == expected
    assert options.metadata == {}


def test_extension_of_the_resource_id_is_the_last_resort() -> None:
    assert options_of(make_task(url="http://h/x", resource_id="a.css")).content_type == "text/css"


@pytest.mark.parametrize(
    ("checksum", "sha256", "metadata"),
    [
        pytest.param("", None, {"k": "v"}, id="multipart"),
        pytest.param("", DIGEST, {"k": "v", "sha256": DIGEST}, id="single"),
        pytest.param("sha256:0", None, {"k": "v", "checksum-hint": "sha256:0"}, id="hint-recorded"),
        pytest.param("größe", None, {"k": "v"}, id="hint-is-no-header"),
    ],
)
def test_object_metadata_is_the_hints_and_the_checksums(
    checksum: str, sha256: str | None, metadata: dict[str, str]
) -> None:
    task = make_task(checksum_hint=checksum, storage_hint=StorageHint(metadata={"k": "v"}))
    assert options_of(task, sha256=sha256).metadata == metadata


@pytest.mark.parametrize(("encoding", "kept"), [("gzip", "gzip"), ("", ""), ("g\udcff", "")])
def test_content_encoding_is_copied(encoding: str, kept: str) -> None:
    assert options_of(make_task(), encoding=encoding).content_encoding == kept
