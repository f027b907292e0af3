"""The command line of the mutants: `mutants`, and `--mutant` for a stack with one in it."""

import argparse
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from runner.mutants.catalogue import choose, read_mutants, service_of
from runner.mutants.gate import BUDGET_S, ControlRedError, Gate, GateWishes
from runner.stacks.port import Place

ALL_KILLED, NOT_ALL_KILLED, INVALID = 0, 1, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MutantCommand:
    """`mutants`: judge the tests by the bugs they notice."""

    place: Place
    environment: MutableMapping[str, str]

    def add_to(self, commands: Any) -> None:
        """Add it to the subcommands."""
        parser: argparse.ArgumentParser = commands.add_parser(
            "mutants", help="run the tests against every seeded bug of tests/mutants"
        )
        parser.add_argument("-w", "--workers", type=int, default=4, help="tests side by side (4)")
        parser.add_argument("--budget-s", type=float, default=BUDGET_S, help="for all (900)")
        parser.add_argument("--no-control", action="store_true", help="trust the suite to be green")
        parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
        parser.set_defaults(command=self.run)

    def run(self, given: argparse.Namespace) -> int:
        """Judge all; leave mutants.json and mutants.md."""
        gate = Gate(
            place=self.place,
            environment=self.environment,
            mutants=choose(read_mutants(self.place.root), given.names),
            wishes=GateWishes(
                workers=given.workers,
                budget_s=given.budget_s,
                is_controlled=not given.no_control,
            ),
            say=_say,
        )
        try:
            matrix = gate.run()
        except ControlRedError as error:
            _say(f"INVALID: the tests are red without a mutant:\n{error}")
            return INVALID
        matrix.write(self.place.artifacts)
        print(f"\n{matrix.markdown()}", flush=True)
        return ALL_KILLED if matrix.are_all_killed else NOT_ALL_KILLED

    def add_option(self, *parsers: argparse.ArgumentParser) -> None:
        """Add --mutant NAME."""
        for parser in parsers:
            parser.add_argument("--mutant", metavar="NAME", help="with this seeded bug in it")

    def follow_option(self, given: argparse.Namespace) -> None:
        """Have an embedded stack start the service with the bug; raises StackError."""
        if name := getattr(given, "mutant", None):
            choose(read_mutants(self.place.root), [name])
            self.environment.update(service_of(name, self.place.root))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
