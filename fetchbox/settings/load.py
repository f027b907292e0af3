"""Load the configuration: all layers, all sections, all rules, all errors at once."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from fetchbox.handlers.registry import BUILT_IN as BUILT_IN_HANDLERS
from fetchbox.settings.checks import CHECKS, Check
from fetchbox.settings.layers import (
    BUILT_IN,
    Place,
    SourceError,
    Tree,
    put_environment,
    put_fallbacks,
    put_file,
    read_dotenv,
)
from fetchbox.settings.problems import ConfigError, Problem, is_secret, problems_of
from fetchbox.settings.sections import (
    BrokerSection,
    HandlerSection,
    IggySection,
    PoolSection,
    ProxySection,
    RetentionSection,
    Section,
    ServerSection,
    StorageSection,
    TelemetrySection,
    WorkerSection,
)
from fetchbox.settings.settings import Settings

CONFIG_NAME: Final = "FETCHBOX_CONFIG"
DEFAULT_FILE: Final = Path("config/fetchbox.toml")
DOTENV: Final = Path(".env")
COMMAND_LINE: Final = "the command line"

#: Stands for proxies that cannot be read.
_NO_PROXY: Final = ("http://unreadable.invalid:1",)
_HANDLERS: Final = frozenset({"handlers"})

#: A key no section knows, and the keys known at its place.
_Extra = tuple[Place, Collection[str]]

SECTIONS: Final[Mapping[str, TypeAdapter[Any]]] = {
    "server": TypeAdapter(ServerSection),
    "broker": TypeAdapter(BrokerSection),
    "iggy": TypeAdapter(IggySection),
    "storage": TypeAdapter(StorageSection),
    "handlers": TypeAdapter(dict[str, HandlerSection]),
    "proxy": TypeAdapter(ProxySection),
    "worker": TypeAdapter(WorkerSection),
    "retention": TypeAdapter(RetentionSection),
    "telemetry": TypeAdapter(TelemetrySection),
}


def load_settings(
    path: Path | None = None,
    env: Mapping[str, str] | None = None,
    *,
    defaults: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    also: Sequence[Check] = (),
) -> Settings:
    """Load and check everything, `also` what only some need; raises ConfigError with every problem.

    `path` wins over FETCHBOX_CONFIG; `env` stands for the environment and .env; `defaults` and
    `flags` map dotted keys to text and lie below all files and above the environment.
    """
    dotenv = read_dotenv(DOTENV) if env is None else {}
    env = os.environ if env is None else env  # noqa: TID251 - the one reader
    tree, warnings = Tree(), []
    _put_built_in(tree, defaults or {})
    try:
        for file, is_named in _files(path, {**dotenv, **env}):
            warnings += _put_file(tree, file, is_named=is_named)
    except SourceError as error:
        raise ConfigError([str(error)]) from error
    warnings += _secrets_in_files(tree)
    put_environment(tree, {k: v for k, v in dotenv.items() if k not in env}, str(DOTENV))
    put_environment(tree, env)
    put_fallbacks(tree, {**dotenv, **env})
    for key, text in (flags or {}).items():
        tree.put(key.split("."), text, COMMAND_LINE)
    return _validated(tree, warnings, also)


def _put_built_in(tree: Tree, defaults: Mapping[str, str]) -> None:
    for name, config in BUILT_IN_HANDLERS.items():
        tree.put(("handlers", name, "handler"), config.handler, BUILT_IN)
        for key in ("storage_bucket", "key_prefix"):
            if value := getattr(config, key):
                tree.put(("handlers", name, key), value, BUILT_IN)
    for key, text in defaults.items():
        tree.put(key.split("."), text, BUILT_IN)


def _files(path: Path | None, env: Mapping[str, str]) -> Iterator[tuple[Path, bool]]:
    """Return the files to read, in order, and whether somebody named them."""
    if path is not None:
        yield path, True
    elif named := env.get(CONFIG_NAME):
        yield from ((Path(name), True) for name in named.split(os.pathsep) if name)
    else:
        yield DEFAULT_FILE, False


def _put_file(tree: Tree, file: Path, *, is_named: bool) -> list[str]:
    try:
        put_file(tree, file)
    except FileNotFoundError:
        remedy = f"; correct {CONFIG_NAME}" if is_named else ""
        return [f"{file} does not exist: defaults and the environment apply{remedy}"]
    return []


def _secrets_in_files(tree: Tree) -> list[str]:
    return [
        f"{'.'.join(path)} is a secret in {origin}: better set it in the environment"
        for path, origin in tree.origins.items()
        if origin != BUILT_IN and path[0] != "handlers" and is_secret(path)
    ]


def _validated(tree: Tree, warnings: Sequence[str], also: Sequence[Check]) -> Settings:
    sound: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, adapter in SECTIONS.items():
        raw = tree.values.get(name, {})
        try:
            sound[name] = adapter.validate_python(raw)
        except ValidationError as error:
            problems += problems_of(name, error)
            with suppress(ValidationError):  # so that the rules are checked in the same go
                sound[name] = adapter.validate_python(_mended(name, raw, error))
    unsound = SECTIONS.keys() - sound.keys()
    found = {
        name: sound.get(name, adapter.validate_python({})) for name, adapter in SECTIONS.items()
    }
    settings = Settings(
        **found,
        origins={".".join(at): name for at, name in tree.origins.items() if name != BUILT_IN},
        warnings=(*warnings, *_unknown_keys(tree, sound)),
    )
    for needed, check in (*CHECKS, *((_HANDLERS, check) for check in also)):
        if not needed & unsound:
            problems += check(settings)
    if problems:
        raise ConfigError(sorted(problem.line(tree) for problem in problems))
    return settings


def _mended(section: str, raw: Any, error: ValidationError) -> Any:
    """Leave out what is faulty; where something has to stand, put something that does no harm."""
    mended = deepcopy(raw)
    for fault in error.errors(include_url=False):
        _leave_out(section, mended, fault["loc"])
    return mended


def _leave_out(section: str, place: Any, at: tuple[int | str, ...]) -> None:
    if not at or not isinstance(place, dict):
        return
    below = place.get(at[0])
    if at[1:] and isinstance(below, dict):
        _leave_out(section, below, at[1:])
        return
    place.pop(at[0], None)
    if (section, at[0]) == ("proxy", "primary"):
        place["primary"] = _NO_PROXY


def _unknown_keys(tree: Tree, sound: Mapping[str, Any]) -> Iterator[str]:
    unknown: list[_Extra] = [
        ((name,), SECTIONS.keys()) for name in tree.values if name not in SECTIONS
    ]
    for name, section in sound.items():
        unknown += _extras((name,), section)
    for path, known in unknown:
        alike = get_close_matches(path[-1], known, n=1)
        hint = f"; did you mean {'.'.join((*path[:-1], alike[0]))}?" if alike else ""
        yield f"{'.'.join(path)} (from {tree.origin(path)}) is unknown and ignored{hint}"


def _extras(path: Place, value: Any) -> Iterator[_Extra]:
    """Find the keys no section knows, each with the keys known at its place."""
    if isinstance(value, Section):
        known = type(value).model_fields.keys()
        yield from (((*path, name), known) for name in value.model_extra or {})
        value = value.pools if isinstance(value, ProxySection) else {}
        path = (*path, "pools")
    for name, below in value.items():
        if isinstance(below, HandlerSection | PoolSection):
            yield from _extras((*path, name), below)
