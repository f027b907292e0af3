"""The configuration in effect, key by key, with every secret hidden."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from fetchbox.settings.problems import shown
from fetchbox.settings.sections import Section
from fetchbox.settings.settings import Settings

_NOT_SECTIONS: Final = frozenset({"origins", "warnings"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key; `origin` is empty for a built-in value."""

    key: str
    value: str
    origin: str


def effective(settings: Settings) -> Iterator[Entry]:
    """Yield every known key in the order of the documentation."""
    for each in fields(settings):
        if each.name not in _NOT_SECTIONS:
            yield from _entries((each.name,), getattr(settings, each.name), settings.origins)


def _entries(path: tuple[str, ...], value: Any, origins: Mapping[str, str]) -> Iterator[Entry]:
    if isinstance(value, Section):
        known = type(value).model_fields
        value = {name: getattr(value, name) for name in known}
    elif path[-1] not in {"handlers", "pools"}:
        yield Entry(key=".".join(path), value=shown(path, value), origin=_origin(path, origins))
        return
    for name, below in value.items():
        yield from _entries((*path, name), below, origins)


def _origin(path: tuple[str, ...], origins: Mapping[str, str]) -> str:
    key = ".".join(path)
    below = (origin for at, origin in origins.items() if at.startswith(f"{key}."))
    return origins.get(key) or next(below, "")
