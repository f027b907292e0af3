"""python -m tests.mutants NAME -- ARGUMENTS: runs `fetchbox ARGUMENTS` with a seeded bug in it.

NAME is a mutant, `none`, or @FILE: the name is in that file. `--check` applies each one in turn.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.mutants._loading import MutantError, applied, apply, mutant_names

USAGE = 2


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; the exit code is that of fetchbox."""
    try:
        if list(arguments) == ["--check"]:
            return _check()
        if len(arguments) < 2 or arguments[1] != "--":
            print(__doc__, file=sys.stderr)
            return USAGE
        apply(_name(arguments[0]))
    except (MutantError, OSError) as error:
        print(f"mutant: {error}", file=sys.stderr)
        return USAGE
    return _run(arguments[2:])


def _name(given: str) -> str:
    return Path(given[1:]).read_text(encoding="utf-8").strip() if given[:1] == "@" else given


def _check() -> int:
    for name in mutant_names():
        with applied(name):
            print(name)
    return 0


def _run(arguments: Sequence[str]) -> int:
    from fetchbox.cli.main import main as fetchbox  # noqa: PLC0415  # after the bug is in

    sys.argv = ["fetchbox", *arguments]
    fetchbox()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
