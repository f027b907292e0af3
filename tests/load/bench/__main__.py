"""`make bench`: every goal, measured in interleaved rounds on this machine.

Writes artifacts/bench/bench.json and the figures in docs/benchmarks.md. Exit codes: 0 every target
is met, 1 one is missed or a measurement broke, 2 wrong usage, 3 nothing can be measured here.
"""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.load.bench.document import publish
from tests.load.bench.floor import AbsentError
from tests.load.bench.goals import Goal, UnknownGoalError, chosen
from tests.load.bench.machine import facts
from tests.load.bench.outcome import Outcome
from tests.load.bench.score import Absence, Finding
from tests.load.bench.setup import NO_MINIO, PLANES, Bench, set_up

OUT: Final = Path("artifacts/bench")
DOCUMENT: Final = Path("docs/benchmarks.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    given = _parser().parse_args(arguments)
    try:
        goals = chosen(given.only.split(","))
        rounds = 1 if given.trial else given.rounds
        bench = set_up(full=given.full, rounds=rounds, trial=given.trial)
    except UnknownGoalError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except AbsentError as error:
        print(f"bench: cannot measure: {error}", file=sys.stderr)
        return 3
    _print_plan(goals, bench)
    outcome = Outcome.of(facts(), _measure_all(goals, bench))
    print(outcome.table())
    if given.trial:
        print("a trial: nothing was written")
    else:
        _write(outcome, goals)
    return outcome.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    add = parser.add_argument
    add("--only", default="", metavar="G1,G6", help="these goals; the others keep their figures")
    add("--rounds", type=int, default=3, help="interleaved rounds of each comparison (3)")
    add("--full", action="store_true", default=os.environ.get("FULL") == "1")
    add("--trial", action="store_true", help="see in seconds that it works; nothing is written")
    return parser


def _print_plan(goals: Sequence[Goal], bench: Bench) -> None:
    print("; ".join(f"{name} {text}" for name, text in facts().items()))
    print(f"planes: {', '.join(f'{each} = {PLANES[each]}' for each in bench.planes)}")
    expected = {goal.module.rpartition(".")[2]: _expected_s(goal, bench) for goal in goals}
    for name, seconds in expected.items():
        print(f"  {name:24} about {seconds / 60:4.1f} min")
    print(f"  {'in all':24} about {sum(expected.values()) / 60:4.1f} min", flush=True)


def _expected_s(goal: Goal, bench: Bench) -> float:
    """Return about how long a goal takes; one that cannot say it is told of when it is measured."""
    try:
        return goal.expected_s(bench)
    except Exception:  # noqa: BLE001 - whatever it is, it comes again
        return 0.0


def _measure_all(goals: Sequence[Goal], bench: Bench) -> list[Finding]:
    began = time.monotonic()
    found: list[Finding] = []
    if "T" not in bench.planes:
        found.append(Absence(goal="plane T", what=NO_MINIO))
    for goal in goals:
        print(f"{goal.name} ({_minutes_since(began)} so far)", flush=True)
        found.extend(_measured(goal, bench))
    print(f"all of it took {_minutes_since(began)}")
    return found


def _minutes_since(began: float) -> str:
    return f"{(time.monotonic() - began) / 60:.1f} min"


def _measured(goal: Goal, bench: Bench) -> Sequence[Finding]:
    """Measure one goal; what breaks is told and does not take the other goals along."""
    try:
        return goal.measure(bench)
    except AbsentError as error:
        return [Absence(goal=goal.name, what=str(error))]
    except Exception as error:  # noqa: BLE001 - whatever it is, the rest is measured still
        traceback.print_exc()
        return [Absence(goal=goal.name, what=f"{type(error).__name__}: {error}", is_broken=True)]


def _write(outcome: Outcome, goals: Sequence[Goal]) -> None:
    kept = outcome.with_earlier(OUT / "bench.json", {goal.name for goal in goals})
    kept.write(OUT / "bench.json")
    publish(kept, DOCUMENT)
    print(f"written to {OUT / 'bench.json'} and {DOCUMENT}")


if __name__ == "__main__":
    sys.exit(main())
