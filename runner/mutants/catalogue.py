"""What mutants there are and how a service is started with one; reads them, never imports them."""

import ast
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runner.stacks.port import StackError

FOLDER: Final = "tests/mutants"
#: What `python -m tests.mutants` takes for the product as it is.
NONE: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A seeded bug."""

    name: str
    #: What is wrong with it, in one sentence.
    bug: str
    #: The function that is replaced: module:path.
    seam: str
    #: The file or the test that should notice.
    killed_by: str


def read_mutants(root: Path) -> list[Mutant]:
    """Return all mutants; raises StackError for one that does not say what it is."""
    return [_read(path) for path in sorted((root / FOLDER).glob("[!_]*.py"))]


def choose(mutants: list[Mutant], names: list[str]) -> list[Mutant]:
    """Return those named, all if none is; raises StackError for an unknown name."""
    known = {each.name: each for each in mutants}
    if unknown := [name for name in names if name not in known]:
        message = f"no mutant {', '.join(unknown)}; there are {', '.join(known)}"
        raise StackError(message)
    return [known[name] for name in names] or mutants


def _read(path: Path) -> Mutant:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = {
        each.target.id: ast.literal_eval(each.value)
        for each in tree.body
        if isinstance(each, ast.AnnAssign)
        and isinstance(each.target, ast.Name)
        and isinstance(each.value, ast.Constant)
    }
    bug = (ast.get_docstring(tree) or "").partition("\n")[0]
    try:
        return Mutant(name=path.stem, bug=bug, seam=texts["SEAM"], killed_by=texts["KILLED_BY"])
    except KeyError as error:
        message = f"{path} has no constant {error}"
        raise StackError(message) from None


def service_of(name: str, root: Path) -> dict[str, str]:
    """Return the variables that make an embedded stack start the service with a bug in it.

    `name` is a mutant, or @FILE where the file names it.
    """
    return {
        "FETCHBOX_COMMAND": shlex.join([sys.executable, "-m", "tests.mutants", name, "--"]),
        "PYTHONPATH": str(root),
    }
