"""The default handler echoes resources and adds the hints of its section (contract 5.10)."""

from typing import Any

import pytest

from fetchbox.handlers.default import DefaultManifestHandler, proxy_hint_of, storage_hint_of
from fetchbox.handlers.port import (
    HandlerConfig,
    HandlerError,
    JobSummary,
    ManifestContext,
    PreparedManifest,
    TaskDraft,
)
from fetchbox.model.task import ProxyHint, StorageHint
from tests.factories import JOB_ID, make_context, make_resource

HANDLER = DefaultManifestHandler()


async def drafts_of(context: ManifestContext) -> list[TaskDraft]:
    async def refuse(_: TaskDraft) -> None:
        pytest.fail("the default handler returns its drafts")

    drafts = await HANDLER.build_tasks(PreparedManifest(context=context), refuse)
    return list(drafts or ())


async def test_resources_come_out_as_they_went_in() -> None:
    one = make_resource(id="1", headers={"X-Mixed": "v"}, tags={"k": "v"})
    two = make_resource(id="2", url="https://other.test/2")

    drafts = await drafts_of(make_context(one, two))

    assert drafts == [
        TaskDraft(resource_id="1", url=one.url, http_headers=(("X-Mixed", "v"),), tags=one.tags),
        TaskDraft(resource_id="2", url=two.url),
    ]


async def test_manifest_is_returned_unchanged() -> None:
    context = make_context(metadata={"k": [1]})
    prepared = await HANDLER.prepare_manifest(context)
    assert prepared == PreparedManifest(context=context, handler_data=None)


async def test_other_version_is_refused() -> None:
    with pytest.raises(HandlerError, match="HANDLER_INVALID_MANIFEST") as caught:
        await HANDLER.prepare_manifest(make_context(manifest_version="v2"))
    assert not caught.value.failure.retryable


@pytest.mark.parametrize(
    ("section", "hint"),
    [
        pytest.param({}, None, id="none"),
        pytest.param(
            {"storage_bucket": "other"}, StorageHint(bucket="other"), id="bucket-keeps-the-template"
        ),
        pytest.param(
            {"key_prefix": "pre"}, StorageHint(key_prefix=f"pre/{JOB_ID}"), id="prefix-and-job"
        ),
        pytest.param(
            {"key_prefix": "pre/", "storage_bucket": "b"},
            StorageHint(bucket="b", key_prefix=f"pre/{JOB_ID}"),
            id="slash-ensured-once",
        ),
    ],
)
async def test_storage_hint_follows_the_section(
    section: dict[str, Any], hint: StorageHint | None
) -> None:
    config = HandlerConfig(**section)
    (draft,) = await drafts_of(make_context(config=config))
    assert draft.storage_hint == hint
    assert storage_hint_of(config, JOB_ID) == hint


@pytest.mark.parametrize(
    ("pool", "hint"),
    [
        (None, None),
        ("eu", ProxyHint(primary_pool="eu")),
        ("pools/eu", ProxyHint(primary_pool="eu")),
        ("proxies/eu", ProxyHint(primary_pool="eu")),
    ],
)
async def test_proxy_hint_follows_the_section(pool: str | None, hint: ProxyHint | None) -> None:
    config = HandlerConfig(proxy_pool=pool)
    (draft,) = await drafts_of(make_context(config=config))
    assert draft.proxy_hint == hint
    assert proxy_hint_of(config) == hint


async def test_finalize_does_nothing() -> None:
    summary = JobSummary(
        job_id="j", job_type="t", total_resources=1, completed_resources=1, failed_resources=0
    )
    await HANDLER.finalize_job(summary)


@pytest.mark.parametrize(
    ("options", "cap"),
    [
        ({}, None),
        ({"max_parallel_downloads": 8}, 8),
        ({"max_parallel_downloads": 0}, None),
        ({"max_parallel_downloads": -1}, None),
        ({"max_parallel_downloads": "8"}, None),
        ({"max_parallel_downloads": True}, None),
    ],
)
def test_cap_is_a_positive_number_or_none(options: dict[str, Any], cap: int | None) -> None:
    assert HandlerConfig(options=options).max_parallel_downloads == cap
