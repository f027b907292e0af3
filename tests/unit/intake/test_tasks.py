"""What a task carries: the job's identity, merged headers, hints (contract 4.6, 5.2, C22)."""

from typing import Any

import pytest

from fetchbox.handlers.default import DefaultManifestHandler
from fetchbox.handlers.gallery import GalleryHandler
from fetchbox.handlers.port import (
    HandlerConfig,
    JobHandler,
    PreparedManifest,
    TaskDraft,
    TaskEmitter,
)
from fetchbox.handlers.registry import Registered
from fetchbox.intake.tasks import build_tasks
from fetchbox.model.manifest import ManifestLimits, parse_manifest
from fetchbox.model.task import DownloadTask, StorageHint
from fetchbox.wire.codec import decode_task
from tests.factories import JOB_ID, TRACE_ID, make_manifest, make_new_job, make_resource_entry


async def tasks_of(
    handler: JobHandler | None = None, config: HandlerConfig | None = None, **entry: Any
) -> list[DownloadTask]:
    document = make_manifest(resources=[make_resource_entry(**entry)])
    registered = Registered(
        handler=handler or DefaultManifestHandler(), config=config or HandlerConfig()
    )
    manifest = parse_manifest(document, ManifestLimits())
    payloads = await build_tasks(registered, make_new_job(), manifest, frozenset({"eu-primary"}))
    return [decode_task(payload) for payload in payloads]


async def test_task_carries_the_identity_of_its_job() -> None:
    job = make_new_job()

    (task,) = await tasks_of()

    assert (task.job_id, task.job_type, task.tenant) == (JOB_ID, "default", "acme")
    assert (task.trace_id, task.manifest_key, task.attempt) == (TRACE_ID, job.manifest_key, 1)
    assert (task.resource_id, task.url) == ("r1", "http://origin.test/r1")
    assert (task.proxy_hint, task.storage_hint, task.extra) == (None, None, b"")


@pytest.mark.parametrize(
    ("defaults", "own", "sent"),
    [
        pytest.param({}, {}, {}, id="none"),
        pytest.param({"User-Agent": "d"}, {}, {"user-agent": "d"}, id="default"),
        pytest.param({"User-Agent": "d"}, {"user-agent": "o"}, {"user-agent": "o"}, id="own-wins"),
        pytest.param({"a": "d"}, {"B": "o"}, {"a": "d", "b": "o"}, id="both"),
        pytest.param({}, {"X": "first", "x": "last"}, {"x": "last"}, id="twice-by-case"),
    ],
)
async def test_headers_are_merged_without_regard_to_case(
    defaults: dict[str, str], own: dict[str, str], sent: dict[str, str]
) -> None:
    (task,) = await tasks_of(config=HandlerConfig(default_headers=defaults), headers=own)
    assert dict(task.headers) == sent
    assert len(task.headers) == len(sent)


@pytest.mark.parametrize(
    ("tags", "mime", "checksum"),
    [
        pytest.param({}, "", "", id="none"),
        pytest.param({"content_type": "image/png"}, "image/png", "", id="content-type"),
        pytest.param({"content_type": "x\r\nX: y"}, "", "", id="content-type-not-sendable"),
        pytest.param({"content_type": "größe"}, "", "", id="content-type-not-ascii"),
        pytest.param({"checksum_hint": "sha256:0"}, "", "sha256:0", id="checksum"),
    ],
)
async def test_tags_become_hints(tags: dict[str, str], mime: str, checksum: str) -> None:
    (task,) = await tasks_of(tags=tags)
    assert task.tags == tags
    assert (task.mime_hint, task.checksum_hint) == (mime, checksum)


async def test_hints_of_the_handler_travel() -> None:
    (task,) = await tasks_of(GalleryHandler(), url="http://h.test/a.png")
    assert task.storage_hint == StorageHint(
        bucket="fetchbox-gallery", key_prefix=f"gallery/images/{JOB_ID}"
    )
    assert task.proxy_hint is not None
    assert task.proxy_hint.primary_pool == "eu-primary"
    assert dict(task.headers) == {"referer": "http://h.test/"}


class Emits(DefaultManifestHandler):
    """Emits one draft and returns another."""

    async def build_tasks(
        self, prepared: PreparedManifest, emit: TaskEmitter
    ) -> list[TaskDraft] | None:
        del prepared
        await emit(TaskDraft(resource_id="emitted", url="http://h/", attributes={"n": 1}))
        return [TaskDraft(resource_id="returned", url="http://h/", attributes={})]


async def test_handler_may_emit_and_return() -> None:
    emitted, returned = await tasks_of(Emits())
    assert (emitted.resource_id, emitted.extra) == ("emitted", b'{"n":1}')
    assert (returned.resource_id, returned.extra) == ("returned", b"")
