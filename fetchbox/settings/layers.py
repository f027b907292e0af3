"""Where values come from, and which wins: built-in, TOML, .env, environment, flags (contract 7.1).

Builds one tree of raw values and remembers the source of each; validates nothing.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values

from fetchbox.settings.values import parse_scalar

#: The keys that lead to a value.
Place = tuple[str, ...]

PREFIX: Final = "FETCHBOX__"
BUILT_IN: Final = "built in"
#: Other spellings of a key, by the path they stand at.
ALIASES: Final[Mapping[Place, Place]] = {("server", "fjall_path"): ("server", "ledger_path")}
#: Names that are read where no key of ours is set, first match first.
LOG_LEVEL_NAME: Final = "FETCHBOX_LOG"
_KEY_PAIRS: Final = (
    ("S3_ACCESS_KEY", "S3_SECRET_KEY"),
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
)
#: handlers.NAME.options.KEY: the only values whose type nobody else knows.
_OPTION_DEPTH: Final = 4


class SourceError(Exception):
    """A source cannot be read; the message names it and the remedy."""


@dataclass(slots=True)
class Tree:
    """Raw values of all layers, the last put on top, and where each leaf came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Place, str] = field(default_factory=dict)

    def put(self, path: Sequence[str], value: Any, origin: str) -> None:
        """Set one leaf, or each leaf of a table."""
        if isinstance(value, Mapping):
            for key, below in value.items():
                self.put((*path, key), below, origin)
            if value or self._get(path) is not None:
                return
        *parents, last = real = ALIASES.get(tuple(path), tuple(path))
        place = self.values
        for parent in parents:
            if not isinstance(place.get(parent), dict):
                place[parent] = {}
            place = place[parent]
        place[last] = value
        self.origins[tuple(real)] = origin

    def _get(self, path: Sequence[str]) -> Any:
        place: Any = self.values
        for key in path:
            place = place.get(key) if isinstance(place, dict) else None
        return place

    def has(self, *path: str) -> bool:
        """Tell whether any layer set a value here."""
        return path in self.origins

    def origin(self, path: Sequence[str]) -> str:
        """Name the source of a leaf; of a table, that of its first leaf."""
        wanted = tuple(path)
        if wanted in self.origins:
            return self.origins[wanted]
        below = (name for at, name in self.origins.items() if at[: len(wanted)] == wanted)
        return next(below, BUILT_IN)

    def spelled(self, path: Sequence[str]) -> Place:
        """Spell a path as earlier layers did: names differ in case and `-` from variables."""
        place: Any = self.values
        real: list[str] = []
        for key in path:
            names = place if isinstance(place, dict) else {}
            alike = (name for name in names if _plain(name) == _plain(key))
            real.append(key if key in names else next(alike, key))
            place = names.get(real[-1])
        return tuple(real)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def put_file(tree: Tree, file: Path) -> None:
    """Add a TOML file; raises SourceError, and FileNotFoundError when there is none."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{file} is no valid TOML: {error}"
        raise SourceError(msg) from error
    except FileNotFoundError:
        raise
    except OSError as error:
        msg = f"{file} cannot be read: {error.strerror}; correct FETCHBOX_CONFIG or the file"
        raise SourceError(msg) from error
    tree.put((), document, str(file))


def read_dotenv(file: Path) -> Mapping[str, str]:
    """Read NAME=value lines; nothing is substituted in values. No file: nothing."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return {}
    found = dotenv_values(stream=StringIO(text), interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def put_environment(tree: Tree, env: Mapping[str, str], origin: str = "") -> None:
    """Add every FETCHBOX__SECTION__KEY; `origin` names the file they stand in, if any."""
    label = f" in {origin}" if origin else ""
    if level := env.get(LOG_LEVEL_NAME):
        tree.put(("telemetry", "log_level"), level.lower(), f"{LOG_LEVEL_NAME}{label}")
    for name, path in sorted(_variables(env)):
        real = tree.spelled(path)
        is_option = len(path) >= _OPTION_DEPTH and (path[0], path[2]) == ("handlers", "options")
        value = parse_scalar(env[name]) if is_option else env[name]
        tree.put(real, value, f"{name}{label}")


def _variables(env: Mapping[str, str]) -> Iterator[tuple[str, Place]]:
    for name in env:
        if name.startswith(PREFIX):
            yield name, tuple(part.lower() for part in name[len(PREFIX) :].split("__"))


def put_fallbacks(tree: Tree, env: Mapping[str, str]) -> None:
    """Take credentials from the usual names where no key of ours holds them.

    Both keys come from one pair of names. Temporary AWS credentials are left to the SDK, which
    knows their session token.
    """
    pairs = [pair for pair in _KEY_PAIRS if any(env.get(name) for name in pair)]
    is_temporary = bool(env.get("AWS_SESSION_TOKEN"))
    if pairs and not (pairs[0] is _KEY_PAIRS[1] and is_temporary):
        for key, name in zip(("access_key", "secret_key"), pairs[0], strict=True):
            _fall_back(tree, ("storage", key), env, name)
    _fall_back(tree, ("iggy", "client_secret"), env, "IGGY_CLIENT_SECRET")


def _fall_back(tree: Tree, path: Place, env: Mapping[str, str], name: str) -> None:
    if not tree.has(*path) and env.get(name):
        tree.put(path, env[name], name)
