"""Which handler serves a job type, and what is said when a path cannot be used."""

import pytest

from fetchbox.handlers.default import DefaultManifestHandler
from fetchbox.handlers.gallery import GalleryHandler
from fetchbox.handlers.port import HandlerConfig
from fetchbox.handlers.registry import (
    BUILT_IN,
    HandlerPathError,
    HandlerRegistry,
    build_registry,
    load_handler,
)
from fetchbox.model.failure import FailureCode, FetchBoxError


class NeedsArguments(DefaultManifestHandler):
    def __init__(self, wanted: str) -> None:
        self.wanted = wanted


class OnlyPrepares:
    async def prepare_manifest(self) -> None: ...

    def build_tasks(self) -> None:
        """Not a coroutine."""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("", DefaultManifestHandler, id="none-is-the-default"),
        pytest.param("fetchbox.handlers.gallery.GalleryHandler", GalleryHandler, id="dotted"),
        pytest.param("fetchbox::handlers::gallery::GalleryHandler", GalleryHandler, id="colons"),
        pytest.param("fetchbox_handlers::gallery::GalleryHandler", GalleryHandler, id="old-crate"),
        pytest.param(" fetchbox.handlers.gallery.GalleryHandler ", GalleryHandler, id="blanks"),
    ],
)
def test_handler_is_found_by_its_path(path: str, kind: type) -> None:
    assert type(load_handler("x", path)) is kind


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        pytest.param("nowhere.Handler", "cannot be imported: No module", id="no-module"),
        pytest.param("fetchbox.handlers.gallery.Nothing", "has no attribute", id="no-class"),
        pytest.param("Handler", "cannot be imported", id="no-package"),
        pytest.param("a..b", "cannot be imported", id="empty-part"),
        pytest.param("::", "cannot be imported", id="only-colons"),
        pytest.param("fetchbox.handlers.gallery.BUCKET", "needs coroutine", id="no-handler"),
        pytest.param(f"{__name__}.OnlyPrepares", "methods build_tasks, finalize_job", id="partial"),
        pytest.param(f"{__name__}.NeedsArguments", "without arguments", id="needs-arguments"),
        pytest.param(f"{__name__}.MADE", "is not a class", id="instance"),
    ],
)
def test_unusable_path_is_refused_at_start(path: str, reason: str) -> None:
    with pytest.raises(HandlerPathError) as caught:
        load_handler("art", path)

    message = str(caught.value)
    assert reason in message
    assert "handlers.art.handler" in message
    assert repr(path) in message
    assert "package.module.Class" in message


MADE = DefaultManifestHandler()


def test_registry_holds_one_handler_per_section() -> None:
    config = HandlerConfig(storage_bucket="b")

    registry = build_registry({**BUILT_IN, "plain": config})

    assert type(registry.get("default").handler) is DefaultManifestHandler
    assert type(registry.get("gallery").handler) is GalleryHandler
    assert registry.get("plain").config is config
    assert registry.configs() == {**BUILT_IN, "plain": config}


def test_registry_refuses_the_first_bad_section_by_name() -> None:
    with pytest.raises(HandlerPathError, match=r"handlers\.bad\.handler"):
        build_registry({**BUILT_IN, "bad": HandlerConfig(handler="nowhere.X")})


def test_unknown_job_type_is_refused() -> None:
    registry = HandlerRegistry()
    with pytest.raises(FetchBoxError, match="'art' is not configured") as caught:
        registry.get("art")
    assert caught.value.failure.code is FailureCode.VALIDATION_UNSUPPORTED_JOB_TYPE


def test_registered_type_can_be_asked_for_and_replaced() -> None:
    registry = HandlerRegistry()
    first, second = DefaultManifestHandler(), GalleryHandler()

    registry.register("art", first)
    assert registry.has("art")
    assert not registry.has("other")
    assert registry.get("art").config == HandlerConfig()

    registry.register("art", second)
    assert registry.get("art").handler is second
