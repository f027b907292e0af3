"""`make load-diff BASE=<git ref>`: this version against another one, interleaved on one machine.

Every slice is a run on a new embedded stack. Exit codes: 0 compared, 1 something was lost, 2 wrong
usage, 3 a slice was INVALID (the intervals say little), 4 nothing was measured.
"""

import asyncio
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from runner.stacks.embedded import EmbeddedStack
from runner.stacks.port import Place, StackError
from tests.common.addresses import read_addresses
from tests.load.arguments import ROOT, Wishes, read_wishes
from tests.load.compare import Arm, Difference, differences, measures_of, schedule
from tests.load.live import LiveView
from tests.load.measuring import Measuring, NotMeasuredError
from tests.load.plan import WrongPlanError
from tests.load.upstream import Upstream, own_upstream
from tests.load.verdict import Verdict, WrongLimitsError

PAIRS: Final = 6
LOOPBACK: Final = "http://127.0.0.1"
START: Final = (
    "import sys; sys.path.insert(0, {tree!r}); from fetchbox.cli.main import main; sys.exit(main())"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and return the exit code."""
    console = Console()
    base, pairs = os.environ.get("BASE", ""), int(os.environ.get("PAIRS") or PAIRS)
    if not base or pairs <= 1:
        print("load-diff: BASE=<git ref> is needed, and PAIRS of at least 2", file=sys.stderr)
        return 2
    try:
        wishes = read_wishes(arguments, {"DURATION": "10", **os.environ})
        with _worktree(base) as tree, own_upstream(LOOPBACK) as upstream:
            documents = _slices(wishes, {Arm.BASE: tree, Arm.OURS: ROOT}, pairs, upstream, console)
    except (WrongPlanError, WrongLimitsError, subprocess.CalledProcessError) as error:
        print(f"load-diff: {error}", file=sys.stderr)
        return 2
    except (StackError, NotMeasuredError) as error:
        print(f"load-diff: nothing was measured: {error}", file=sys.stderr)
        return 4
    return _conclude(documents, wishes, console)


@contextmanager
def _worktree(ref: str) -> Iterator[Path]:
    """Check the other version out beside this one, and take it away again."""
    tree = ROOT / ".cache" / "load-base"
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "remove", "--force", str(tree)], check=False, capture_output=True)
    subprocess.run([*git, "add", "--quiet", "--detach", str(tree), ref], check=True)
    try:
        yield tree
    finally:
        subprocess.run([*git, "remove", "--force", str(tree)], check=False)


def _slices(
    wishes: Wishes,
    trees: dict[Arm, Path],
    pairs: int,
    upstream: Upstream,
    console: Console,
) -> dict[Arm, list[dict[str, Any]]]:
    documents: dict[Arm, list[dict[str, Any]]] = {arm: [] for arm in Arm}
    for arm in schedule(pairs):
        document = _slice(wishes, trees[arm], upstream)
        documents[arm].append(document)
        shown = ", ".join(f"{name} {each:.1f}" for name, each in measures_of(document).items())
        console.print(f"{arm}: {document['verdict']}, {shown}", highlight=False, soft_wrap=True)
    return documents


def _slice(wishes: Wishes, tree: Path, upstream: Upstream) -> dict[str, Any]:
    command = shlex.join([sys.executable, "-c", START.format(tree=str(tree))])
    place = Place(root=ROOT, artifacts=wishes.out.resolve(), cache=ROOT / ".cache")
    stack = EmbeddedStack(place=place, environment={**os.environ, "FETCHBOX_COMMAND": command})
    with stack.running() as running, (wishes.out / "diff.log").open("a") as log:
        measuring = Measuring(
            wishes=wishes,
            addresses=read_addresses(running.addresses.environment()),
            upstream=upstream,
            view=LiveView(console=Console(file=log), workload=wishes.workload),
        )
        return asyncio.run(measuring.measure()).to_json()


def _conclude(documents: dict[Arm, list[dict[str, Any]]], wishes: Wishes, console: Console) -> int:
    numbers = {arm: [measures_of(each) for each in documents[arm]] for arm in Arm}
    found = differences(numbers[Arm.BASE], numbers[Arm.OURS])
    _write(found, numbers, wishes.out / "diff.json")
    every = [each for arm in Arm for each in documents[arm]]
    invalid = sum(bool(each["reasons"]["invalid"]) for each in every)
    lost = [breach for each in every for breach in each["reasons"]["breaches"]]
    console.print("", *lost, *map(str, found), sep="\n", highlight=False, soft_wrap=True)
    if invalid:
        console.print(f"INVALID: {invalid} of {len(every)} slices; the intervals say little.")
    if lost:
        return Verdict.FAIL.exit_code
    return Verdict.INVALID.exit_code if invalid else Verdict.PASS.exit_code


def _write(found: list[Difference], numbers: dict[Arm, list[dict[str, float]]], to: Path) -> None:
    rows = [asdict(each) | {"is_detected": each.is_detected} for each in found]
    text = json.dumps({"differences": rows, "slices": numbers}, indent=1)
    to.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
