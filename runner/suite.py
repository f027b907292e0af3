"""Runs the integration tests in parts: side by side, then those that disturb others alone."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

#: Only what the integration tests use: loading all that is installed takes seconds per worker.
PLUGINS: Final = ("xdist", "asyncio", "timeout")
TESTS: Final = "tests/integration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the caller wants of a run."""

    workers: int = 4
    #: Seed of a shuffled order; None keeps the order of the files.
    seed: int | None = None
    pytest_arguments: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One call of pytest."""

    name: str
    arguments: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """What became of it."""

    name: str
    exit_code: int
    seconds: float
    junit: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The tests, the stack they run on, and where their results go."""

    root: Path
    artifacts: Path
    #: The stack's addresses.
    environment: Mapping[str, str]
    wishes: Wishes = field(default_factory=Wishes)
    #: Where pytest's output goes; None is the terminal.
    log: Path | None = None

    def parts(self) -> list[Part]:
        """Return the parts in their order."""
        side_by_side = ["-n", str(self.wishes.workers), "--dist", "worksteal"]
        return [
            Part(name="parallel", arguments=["-m", "not disruptive", *side_by_side]),
            Part(name="disruptive", arguments=["-m", "disruptive"]),
        ]

    def run(self, part: Part) -> PartResult:
        """Run a part; its output goes where it is wanted as it comes."""
        junit = self.artifacts / f"junit-{part.name}.xml"
        junit.unlink(missing_ok=True)
        begun = time.monotonic()
        with (
            self._output() as output,
            subprocess.Popen(
                self._command(part, junit), cwd=self.root, env=self._environment(), stdout=output
            ) as process,
        ):
            exit_code = _wait(process)
        return PartResult(
            name=part.name,
            exit_code=exit_code,
            seconds=time.monotonic() - begun,
            junit=junit,
        )

    def _output(self) -> AbstractContextManager[IO[bytes] | None]:
        return nullcontext() if self.log is None else self.log.open("ab")

    def _command(self, part: Part, junit: Path) -> list[str]:
        given = self.wishes.pytest_arguments
        paths = [] if any(_is_path(argument) for argument in given) else [TESTS]
        plugins = [word for plugin in PLUGINS for word in ("-p", plugin)]
        order: list[str] = []
        if self.wishes.seed is not None:
            order = ["-p", "randomly", f"--randomly-seed={self.wishes.seed}"]
        shown = ["-q", "--no-header", "--tb=short"]
        results = [f"--junitxml={junit}", "-o", "junit_logging=all", "-o", "junit_family=xunit1"]
        return [
            *(sys.executable, "-m", "pytest", *plugins, *order, *shown, *results),
            *(*part.arguments, *paths, *given),
        ]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.environment,
            "INTEGRATION_TESTS": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "NO_PROXY": "*",
        }


def _is_path(argument: str) -> bool:
    """Whether a pytest argument names tests."""
    return argument.startswith("tests/")


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for pytest; let it finish its summary when we are interrupted."""
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
