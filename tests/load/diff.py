"""`make load-diff BASE=<git ref>`: this version against another one, interleaved on one stack.

API and workers start anew as one version or the other; what is around them stays. With --read and
a folder the slices are there already. Exit codes: 0 compared, 1 something was lost, 2 wrong usage,
3 a slice was INVALID (the intervals say little), 4 nothing was measured.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from runner.mutants.bench import Bench
from runner.stacks.embedded import EmbeddedStack
from runner.stacks.port import Place, StackError
from tests.common.addresses import read_addresses
from tests.load.arguments import ROOT, Wishes, read_wishes
from tests.load.compare import Arm, Difference, differences, measures_of, schedule
from tests.load.live import LiveView
from tests.load.measuring import Measuring, NotMeasuredError, upstream_for
from tests.load.plan import WrongPlanError
from tests.load.precise_loop import run_precisely
from tests.load.verdict import Verdict, WrongLimitsError

PAIRS: Final = 6
#: Takes the code from the folder that a file names.
START: Final = (
    "import pathlib, sys; sys.path.insert(0, pathlib.Path({choice!r}).read_text());"
    " from fetchbox.cli.main import main; sys.exit(main())"
)

Document = Mapping[str, Any]
Documents = Mapping[Arm, list[Document]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    console = Console()
    try:
        if given[:1] == ["--read"]:
            folder = Path(given[1])
            return conclude(read_slices(folder), folder / "diff.json", console)
        return _compare(given, console)
    except (WrongPlanError, WrongLimitsError, subprocess.CalledProcessError) as error:
        print(f"load-diff: {error}", file=sys.stderr)
        return 2
    except (StackError, NotMeasuredError) as error:
        print(f"load-diff: nothing was measured: {error}", file=sys.stderr)
        return 4


def _compare(arguments: Sequence[str], console: Console) -> int:
    base, pairs = os.environ.get("BASE", ""), int(os.environ.get("PAIRS") or PAIRS)
    if not base or pairs <= 1:
        message = "BASE=<git ref> is needed, and PAIRS of at least 2"
        raise WrongPlanError(message)
    wishes = read_wishes(arguments, {"DURATION": "10", **os.environ})
    with _versions(base) as trees:
        documents = _slices(wishes, trees, pairs, console)
    return conclude(documents, wishes.out / "diff.json", console)


@contextmanager
def _versions(base: str) -> Iterator[Mapping[Arm, Path]]:
    """Put both beside each other: what is edited during the comparison belongs to neither."""
    trees = {arm: ROOT / ".cache" / f"load-{arm}" for arm in Arm}
    git = ["git", "-C", str(ROOT), "worktree"]
    remove = [*git, "remove", "--force", str(trees[Arm.BASE])]
    subprocess.run(remove, check=False, capture_output=True)
    subprocess.run([*git, "add", "--quiet", "--detach", str(trees[Arm.BASE]), base], check=True)
    try:
        shutil.rmtree(trees[Arm.OURS], ignore_errors=True)
        shutil.copytree(ROOT / "fetchbox", trees[Arm.OURS] / "fetchbox")
        yield trees
    finally:
        subprocess.run(remove, check=False)
        shutil.rmtree(trees[Arm.OURS], ignore_errors=True)


def _slices(
    wishes: Wishes, trees: Mapping[Arm, Path], pairs: int, console: Console
) -> dict[Arm, list[Document]]:
    documents: dict[Arm, list[Document]] = {arm: [] for arm in Arm}
    with _exchangeable(wishes, trees[Arm.BASE]) as (bench, measuring):
        for arm in schedule(pairs):
            bench.put_on(str(trees[arm]))
            document = run_precisely(measuring.measure()).to_json()
            documents[arm].append(document)
            console.print(shown(arm, document), highlight=False, soft_wrap=True)
    return documents


@contextmanager
def _exchangeable(wishes: Wishes, first: Path) -> Iterator[tuple[Bench, Measuring]]:
    """Start a stack whose API and workers can be exchanged."""
    wishes.out.mkdir(parents=True, exist_ok=True)
    choice = wishes.out.resolve() / "version"
    choice.write_text(str(first), encoding="utf-8")
    command = shlex.join([sys.executable, "-c", START.format(choice=str(choice))])
    place = Place(root=ROOT, artifacts=wishes.out.resolve(), cache=ROOT / ".cache")
    stack = EmbeddedStack(place=place, environment={**os.environ, "FETCHBOX_COMMAND": command})
    with stack.running() as running, (wishes.out / "diff.log").open("a") as log:
        addresses = read_addresses(running.addresses.environment())
        with upstream_for(wishes, addresses) as upstream:
            yield (
                Bench(addresses=running.addresses, choice=choice),
                Measuring(
                    wishes=wishes,
                    addresses=addresses,
                    upstream=upstream,
                    view=LiveView(console=Console(file=log), workload=wishes.workload),
                    pids=running.pids,
                ),
            )


def shown(arm: Arm, document: Document) -> str:
    """Say what a slice gave."""
    numbers = ", ".join(f"{name} {each:.1f}" for name, each in measures_of(document).items())
    return f"{arm}: {document['verdict']}, {numbers}"


def read_slices(folder: Path) -> dict[Arm, list[Document]]:
    """Read `<number>-<arm>/load.json`; raises NotMeasuredError where pairs are not whole."""
    documents: dict[Arm, list[Document]] = {arm: [] for arm in Arm}
    for path in sorted(folder.glob("*-*/load.json")):
        arm = Arm(path.parent.name.partition("-")[2])
        documents[arm].append(json.loads(path.read_text(encoding="utf-8")))
    counts = {len(each) for each in documents.values()}
    if len(counts) > 1 or counts <= {0, 1}:
        message = f"{folder} does not hold as many slices of one version as of the other"
        raise NotMeasuredError(message)
    return documents


def conclude(documents: Documents, to: Path, console: Console) -> int:
    """Say what differs, write diff.json, and return the exit code."""
    numbers = {arm: [measures_of(each) for each in documents[arm]] for arm in Arm}
    found = differences(numbers[Arm.BASE], numbers[Arm.OURS])
    _write(found, numbers, to)
    every = [each for arm in Arm for each in documents[arm]]
    invalid = sum(bool(each["reasons"]["invalid"]) for each in every)
    lost = [breach for each in every for breach in each["reasons"]["breaches"]]
    console.print("", *lost, *map(str, found), sep="\n", highlight=False, soft_wrap=True)
    if invalid:
        console.print(f"INVALID: {invalid} of {len(every)} slices; the intervals say little.")
    if lost:
        return Verdict.FAIL.exit_code
    return Verdict.INVALID.exit_code if invalid else Verdict.PASS.exit_code


def _write(
    found: list[Difference], numbers: Mapping[Arm, list[dict[str, float]]], to: Path
) -> None:
    rows = [asdict(each) | {"is_detected": each.is_detected} for each in found]
    text = json.dumps({"differences": rows, "slices": numbers}, indent=1)
    to.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
