"""Which handler serves which job type; filled once at start from the `[handlers.*]` sections.

The only place that imports a handler by its path.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import iscoroutinefunction
from types import MappingProxyType
from typing import Any, Final, cast

from fetchbox.handlers.default import DefaultManifestHandler
from fetchbox.handlers.gallery import BUCKET, PREFIX
from fetchbox.handlers.port import HandlerConfig, JobHandler
from fetchbox.model.failure import FailureCode, fail

_PLAIN: Final = HandlerConfig()
_METHODS: Final = ("prepare_manifest", "build_tasks", "finalize_job")

#: Job types that exist without any configuration; sections of the same name extend them.
BUILT_IN: Final[Mapping[str, HandlerConfig]] = MappingProxyType(
    {
        "default": HandlerConfig(handler="fetchbox.handlers.default.DefaultManifestHandler"),
        "gallery": HandlerConfig(
            handler="fetchbox.handlers.gallery.GalleryHandler",
            storage_bucket=BUCKET,
            key_prefix=PREFIX,
        ),
    }
)


class HandlerPathError(ValueError):
    """A section names a handler that cannot be used; `fault` says why, and the remedy."""

    def __init__(self, section: str, path: str, reason: str) -> None:
        """Say section and path in the message too."""
        self.fault = f"{reason}; name a class as package.module.Class"
        super().__init__(f"handlers.{section}.handler = {path!r} {self.fault}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A job type's behaviour and its settings."""

    handler: JobHandler
    config: HandlerConfig


class HandlerRegistry:
    """Job types by name."""

    def __init__(self) -> None:
        """Start empty."""
        self._entries: dict[str, Registered] = {}

    def register(self, job_type: str, handler: JobHandler, config: HandlerConfig = _PLAIN) -> None:
        """Add a job type, or replace it."""
        self._entries[job_type] = Registered(handler=handler, config=config)

    def get(self, job_type: str) -> Registered:
        """Return a job type; raises FetchBoxError VALIDATION_UNSUPPORTED_JOB_TYPE."""
        if (entry := self._entries.get(job_type)) is not None:
            return entry
        msg = (
            f"job type {job_type!r} is not configured; add a [handlers.NAME] section or use another"
        )
        raise fail(FailureCode.VALIDATION_UNSUPPORTED_JOB_TYPE, msg)

    def has(self, job_type: str) -> bool:
        """Tell whether a job type is configured."""
        return job_type in self._entries

    def configs(self) -> Mapping[str, HandlerConfig]:
        """Return the settings of every job type."""
        return {job_type: entry.config for job_type, entry in self._entries.items()}


def build_registry(sections: Mapping[str, HandlerConfig]) -> HandlerRegistry:
    """Make one handler per section; raises HandlerPathError for the first bad path."""
    registry = HandlerRegistry()
    for job_type, config in sections.items():
        registry.register(job_type, load_handler(job_type, config.handler), config)
    return registry


def load_handler(section: str, path: str) -> JobHandler:
    """Import and make the handler at a dotted (or `::`) path; empty = the default handler."""
    if not path:
        return DefaultManifestHandler()
    found = _attribute(section, path)
    missing = [name for name in _METHODS if not iscoroutinefunction(getattr(found, name, None))]
    if not isinstance(found, type) or missing:
        reason = f"needs coroutine methods {', '.join(missing)}" if missing else "is not a class"
        raise HandlerPathError(section, path, reason)
    try:
        return cast("JobHandler", found())
    except Exception as error:
        raise HandlerPathError(
            section, path, f"cannot be made without arguments: {error}"
        ) from error


def _attribute(section: str, path: str) -> Any:
    module, _, name = _dotted(path).rpartition(".")
    try:
        return getattr(import_module(module), name)
    except Exception as error:  # the module's own code may raise anything
        raise HandlerPathError(section, path, f"cannot be imported: {error}") from error


def _dotted(path: str) -> str:
    """Accept `::`, and the crate name that configurations of the first version carry."""
    dotted = path.strip().replace("::", ".")
    crate, _, rest = dotted.partition(".")
    return f"fetchbox.handlers.{rest}" if crate == "fetchbox_handlers" else dotted
