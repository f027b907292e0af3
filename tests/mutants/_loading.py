"""Applies a mutant: replaces the one function its SEAM names, and is loud when that is not there.

A replacement has the parameters and the kind of what it replaces; if the product changes, applying
the mutant fails, so a mutant never survives because it did nothing.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

#: Instead of a mutant's name: the product as it is.
NONE: Final = "none"
_FOLDER: Final = Path(__file__).parent
_KINDS: Final = (
    inspect.isasyncgenfunction,
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
)


class MutantError(Exception):
    """A mutant that cannot be applied; the text names it and what has to be changed."""


def mutant_names() -> list[str]:
    """Return all mutants: the modules of this folder whose name has no leading underscore."""
    return sorted(path.stem for path in _FOLDER.glob("[!_]*.py"))


def apply(name: str) -> Callable[[], None]:
    """Put the bug in; return what takes it out again. Raises MutantError."""
    if name == NONE:
        return lambda: None
    mutant = _module(name)
    owner, attribute, original = _find(name, mutant.SEAM)
    replacement = mutant.mutate(original)
    _insist_on_likeness(name, mutant.SEAM, original, replacement)
    setattr(owner, attribute, replacement)
    return lambda: setattr(owner, attribute, original)


@contextmanager
def applied(name: str) -> Iterator[None]:
    """Apply a mutant for the length of a block."""
    undo = apply(name)
    try:
        yield
    finally:
        undo()


def _module(name: str) -> Any:
    if name not in mutant_names():
        raise MutantError(f"there is no mutant {name!r}; there are {', '.join(mutant_names())}")
    return import_module(f"tests.mutants.{name}")


def _find(name: str, seam: str) -> tuple[Any, str, Any]:
    """Return where the function hangs, its name there, and the function."""
    module, _, path = seam.partition(":")
    *owners, attribute = path.split(".")
    try:
        owner: Any = import_module(module)
        for each in owners:
            owner = getattr(owner, each)
        original = vars(owner)[attribute]
    except (ImportError, AttributeError, KeyError) as error:
        raise MutantError(f"{name}: {seam} is gone ({error}); give it its new SEAM") from error
    if not inspect.isfunction(original):
        raise MutantError(f"{name}: {seam} is a {type(original).__name__}, not a function")
    return owner, attribute, original


def _insist_on_likeness(name: str, seam: str, original: Any, replacement: Any) -> None:
    was, now = (list(inspect.signature(each).parameters) for each in (original, replacement))
    if was != now:
        raise MutantError(f"{name}: {seam} takes {was}, the replacement {now}; adapt it")
    if any(is_kind(original) != is_kind(replacement) for is_kind in _KINDS):
        raise MutantError(f"{name}: {seam} is another kind of function than its replacement")
