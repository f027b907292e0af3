"""What is wrong with a configuration, said so that it can be corrected: key, value, source, remedy.

The one place that shows values, so also the one that hides secrets.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr, ValidationError

from fetchbox.settings.layers import Tree

HIDDEN: Final = "***"
_SECRET: Final = re.compile(
    r"token|secret|password|auth|cookie|(^|[_-])(api|access|private)?_?key$", re.IGNORECASE
)
#: What pydantic says, and what we say.
_WORDING: Final = (
    ("Input should be", "must be"),
    ("Value error, ", ""),
    ("Field required", "is missing"),
    ("Extra inputs are not permitted", "is unknown"),
    ("a valid dictionary", "a table"),
    (" or instance of Section", ""),
)
_TYPES: Final = {
    "missing": "is missing; set it",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "too_short": "must name at least one",
}


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds one line for each reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep every line."""
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One reason; `is_absent` says that there is no value to show."""

    path: tuple[str, ...]
    text: str
    value: Any = None
    is_absent: bool = False

    def line(self, tree: Tree) -> str:
        """Say it in one line."""
        key = ".".join(self.path)
        if self.is_absent:
            return f"{key}: {self.text}"
        return (
            f"{key} = {shown(self.path, self.value)} (from {tree.origin(self.path)}): {self.text}"
        )


def problems_of(section: str, error: ValidationError) -> Iterator[Problem]:
    """Translate what pydantic found."""
    for fault in error.errors(include_url=False):
        kind, place = fault["type"], (section, *map(str, fault["loc"]))
        text = _TYPES.get(kind) or _reworded(fault["msg"])
        is_absent = kind == "missing"
        yield Problem(path=place, text=text, value=fault["input"], is_absent=is_absent)


def _reworded(text: str) -> str:
    for theirs, ours in _WORDING:
        text = text.replace(theirs, ours)
    return text


def is_secret(path: Sequence[str]) -> bool:
    """Whether the value at a path must not be shown."""
    return bool(_SECRET.search(path[-1]))


def shown(path: Sequence[str], value: Any) -> str:
    """Show a value without what is secret in it."""
    if value is None:
        return "none"
    if isinstance(value, SecretStr) or is_secret(path):
        return HIDDEN
    if isinstance(value, dict):
        pairs = (f"{key} = {shown((*path, str(key)), below)}" for key, below in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(path, item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(_without_userinfo(item) for item in str(value).split(","))


def _without_userinfo(text: str) -> str:
    before, at, host = text.strip().rpartition("@")
    scheme, slashes, _ = before.partition("://")
    return f"{scheme if slashes else ''}{slashes}{HIDDEN}@{host}" if at else host
