"""The gallery handler: folders, Referer, bucket and proxies (contract 5.10)."""

from collections.abc import Sequence
from typing import Any

import pytest

from fetchbox.handlers.gallery import GalleryHandler, folder_of
from fetchbox.handlers.port import HandlerConfig, ManifestContext, PreparedManifest, TaskDraft
from fetchbox.handlers.registry import BUILT_IN
from fetchbox.model.task import ProxyHint, StorageHint
from tests.factories import JOB_ID, make_context, make_resource


async def drafts_of(context: ManifestContext) -> list[TaskDraft]:
    drafts: list[TaskDraft] = []

    async def emit(draft: TaskDraft) -> None:
        drafts.append(draft)

    assert await GalleryHandler().build_tasks(PreparedManifest(context=context), emit) is None
    return drafts


@pytest.mark.parametrize(
    ("name", "content_type", "folder"),
    [
        *[
            pytest.param(f"a.{ext}", None, "images", id=ext)
            for ext in ("jpg", "jpeg", "png", "gif", "webp", "svg", "avif", "JPG")
        ],
        pytest.param("a.png?size=1#x", None, "images", id="query-is-no-extension"),
        pytest.param("a", "image/png", "images", id="mime"),
        pytest.param("a", "IMAGE/X-Own; q=1", "images", id="mime-with-parameter"),
        pytest.param("a.css", None, "css", id="css"),
        pytest.param("a", "text/css; charset=utf-8", "css", id="mime-css"),
        pytest.param("a.html", None, "other", id="html"),
        pytest.param("a", None, "other", id="no-extension"),
        pytest.param("?a.png", None, "other", id="extension-only-in-the-query"),
        pytest.param("a", "imagery/x", "other", id="nearly-image"),
    ],
)
async def test_resource_is_sorted(name: str, content_type: str | None, folder: str) -> None:
    tags = {"content_type": content_type} if content_type else {}
    resource = make_resource(url=f"http://h.test/{name}", tags=tags)

    (draft,) = await drafts_of(make_context(resource))

    assert folder_of(resource) == folder
    assert draft.storage_hint == StorageHint(
        bucket="fetchbox-gallery", key_prefix=f"gallery/{folder}/{JOB_ID}"
    )


async def test_section_may_name_another_bucket_and_prefix() -> None:
    config = HandlerConfig(storage_bucket="mine", key_prefix="art/")
    (draft,) = await drafts_of(make_context(make_resource(url="http://h/a.css"), config=config))
    assert draft.storage_hint == StorageHint(bucket="mine", key_prefix=f"art/css/{JOB_ID}")


async def test_built_in_section_keeps_the_keys_of_the_contract() -> None:
    (draft,) = await drafts_of(make_context(config=BUILT_IN["gallery"]))
    assert draft.storage_hint == StorageHint(
        bucket="fetchbox-gallery", key_prefix=f"gallery/other/{JOB_ID}"
    )


@pytest.mark.parametrize(
    ("attributes", "headers", "defaults", "sent"),
    [
        pytest.param({}, {}, {}, {"Referer": "http://h.test:81/"}, id="origin-without-userinfo"),
        pytest.param({"referer": "http://r/"}, {}, {}, {"Referer": "http://r/"}, id="attribute"),
        pytest.param({"referer": 7}, {}, {}, {"Referer": "http://h.test:81/"}, id="no-text"),
        pytest.param(
            {"referer": "http://r/\r\nX: y"}, {}, {}, {"Referer": "http://h.test:81/"}, id="unsafe"
        ),
        pytest.param(
            {"referer": "http://r/"}, {"REFERER": "own"}, {}, {"REFERER": "own"}, id="own-wins"
        ),
        pytest.param({"referer": "http://r/"}, {}, {"referer": "d"}, {}, id="default-header-wins"),
        pytest.param(
            {}, {"X": "1"}, {}, {"Referer": "http://h.test:81/", "X": "1"}, id="others-are-kept"
        ),
    ],
)
async def test_referer_is_added_if_absent(
    attributes: dict[str, Any],
    headers: dict[str, str],
    defaults: dict[str, str],
    sent: dict[str, str],
) -> None:
    resource = make_resource(url="http://u:p@h.test:81/a.png", headers=headers)
    config = HandlerConfig(default_headers=defaults)

    (draft,) = await drafts_of(make_context(resource, attributes=attributes, config=config))

    assert dict(draft.http_headers) == sent


async def test_each_resource_gets_the_referer_of_its_own_origin() -> None:
    urls = ["http://a.test/1", "https://b.test/2"]
    resources = [make_resource(id=url, url=url) for url in urls]
    drafts = await drafts_of(make_context(*resources))
    assert [dict(draft.http_headers)["Referer"] for draft in drafts] == [
        "http://a.test/",
        "https://b.test/",
    ]


@pytest.mark.parametrize(
    ("pools", "own", "hint"),
    [
        pytest.param([], None, None, id="none"),
        pytest.param([], "own", ProxyHint(primary_pool="own"), id="section"),
        pytest.param(["global"], "own", ProxyHint(primary_pool="own"), id="no-eu-pool"),
        pytest.param(
            ["eu-primary"], "own", ProxyHint(primary_pool="eu-primary"), id="eu-preferred"
        ),
        pytest.param(
            ["emergency", "eu-primary", "global", "more"],
            None,
            ProxyHint(primary_pool="eu-primary", fallbacks=("global", "emergency")),
            id="all",
        ),
        pytest.param(
            ["eu-primary", "emergency"],
            None,
            ProxyHint(primary_pool="eu-primary", fallbacks=("emergency",)),
            id="only-configured-fallbacks",
        ),
    ],
)
async def test_eu_pool_is_preferred_if_configured(
    pools: Sequence[str], own: str | None, hint: ProxyHint | None
) -> None:
    context = make_context(pools=frozenset(pools), config=HandlerConfig(proxy_pool=own))
    (draft,) = await drafts_of(context)
    assert draft.proxy_hint == hint
