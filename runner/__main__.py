"""python -m runner: brings a stack up, runs the integration tests on it, leaves a report.

Exit codes: 0 all passed; 1 a test failed, or a mutant was not killed; 2 wrong usage; 3 the stack
did not stand; 4 no test ran, or pytest itself failed, or the tests are red without a mutant; 130
interrupted.
"""

import argparse
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from runner import junit
from runner.deliver import TO, deliver, keep_logs
from runner.mutants.command import MutantCommand
from runner.report import rebuild, write_reports
from runner.run import Run, facts, keep_run, read_run, remarks, skip_reasons
from runner.smoke import smoke
from runner.stacks.compose import ComposeStack
from runner.stacks.embedded import EmbeddedStack
from runner.stacks.given import GivenStack
from runner.stacks.port import Addresses, Place, Running, Stack, StackError
from runner.suite import PartResult, Suite, Wishes
from runner.watch import watch

ROOT: Final = Path(__file__).resolve().parents[1]
PASSED, FAILED, STACK_FAILED, NOTHING_RAN, INTERRUPTED = 0, 1, 3, 4, 130
#: pytest's exit codes: passed, failed, nothing collected. The others mean that pytest broke.
PYTEST_ENDS: Final = {0, 1, 5}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    given = _parser().parse_args(_words(sys.argv[1:] if arguments is None else arguments))
    # A polite end of this process must take the stack along, as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    command: Callable[[argparse.Namespace], int] = given.command
    try:
        _mutants().follow_option(given)
        return command(given)
    except StackError as error:
        _say(f"The stack does not stand:\n{error}\nLogs: {_place(os.environ).logs}")
        return STACK_FAILED
    except KeyboardInterrupt:
        _say("interrupted; everything that was started has been ended")
        return INTERRUPTED


def _words(arguments: Sequence[str]) -> list[str]:
    """Add E2E_ARGS to `test`: how the caller of a container gets its arguments in."""
    more = os.environ.get("E2E_ARGS", "") if arguments[:1] == ["test"] else ""
    return [*arguments, *shlex.split(more)]


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runner",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="keep a stack; print the variables that tests need")
    up.set_defaults(command=_up)
    shell = commands.add_parser("shell", help="a shell with a stack in its environment")
    shell.add_argument("words", nargs=argparse.REMAINDER, help="a command instead of the shell")
    shell.set_defaults(command=_shell)
    watching = commands.add_parser("watch", help="run tests on the given stack at every change")
    watching.add_argument("pytest", nargs=argparse.REMAINDER, help="arguments for pytest")
    watching.set_defaults(command=_watch)
    wait = commands.add_parser("wait", help="wait until the stack in FETCHBOX_TEST_* answers")
    wait.set_defaults(command=_wait)
    test = commands.add_parser("test", help="run the tests on a new stack, or on the one given")
    test.add_argument("-w", "--workers", type=int, default=4, help="tests side by side (4)")
    test.add_argument("--shuffle", nargs="?", type=int, const=0, metavar="SEED", help="any order")
    test.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    test.set_defaults(command=_test_and_deliver)
    _mutants().add_option(up, shell, test)
    _mutants().add_to(commands)
    report = commands.add_parser("report", help="make the report again, from all files there are")
    report.add_argument("artifacts", nargs="?", type=Path, help="folder of the results")
    report.set_defaults(command=_report)
    return parser


def _place(environment: Mapping[str, str]) -> Place:
    artifacts = Path(environment.get("FETCHBOX_TEST_ARTIFACTS") or ROOT / "artifacts")
    return Place(root=ROOT, artifacts=artifacts.resolve(), cache=ROOT / ".cache")


def _mutants() -> MutantCommand:
    return MutantCommand(place=_place(os.environ), environment=os.environ)


def _stack(environment: Mapping[str, str]) -> Stack:
    """Return the stack that the environment names, or one of our own."""
    if environment.get("FETCHBOX_TEST_STACK") == "compose":
        return ComposeStack(environment=environment)
    if environment.get("FETCHBOX_TEST_API"):
        return GivenStack(environment=environment)
    return EmbeddedStack(place=_place(environment), environment=environment)


def _up(_: argparse.Namespace) -> int:
    stack = EmbeddedStack(place=_place(os.environ), environment=os.environ)
    with stack.running() as running:
        _show_waterfall(running)
        for name, text in running.addresses.environment().items():
            print(f"export {name}={shlex.quote(text)}")
        print("export INTEGRATION_TESTS=1", flush=True)
        _say("The stack stands until Ctrl-C.")
        signal.pause()
    return PASSED


def _shell(given: argparse.Namespace) -> int:
    stack = _stack(os.environ)
    with stack.running() as running:
        _show_waterfall(running)
        _say("FETCHBOX_TEST_* is set: `pytest tests/integration -k ...` works; leave with exit.")
        variables = {**running.addresses.environment(), "INTEGRATION_TESTS": "1"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        shell = os.environ.get("SHELL", "/bin/sh")
        return subprocess.run(
            given.words or [shell],
            cwd=ROOT,
            env={**os.environ, **variables, "PATH": path},
            check=False,
        ).returncode


def _watch(given: argparse.Namespace) -> int:
    with _stack(os.environ).running() as running:
        _show_waterfall(running)
        variables = {**running.addresses.environment(), "INTEGRATION_TESTS": "1"}
        watch(ROOT, {**os.environ, **variables}, given.pytest)
    return PASSED


def _wait(_: argparse.Namespace) -> int:
    with GivenStack(environment=os.environ).running() as running:
        _show_waterfall(running)
    return PASSED


def _test_and_deliver(given: argparse.Namespace) -> int:
    """Test; however that ends, leave the results where they are wanted."""
    place = _place(os.environ)
    try:
        return _test(given)
    finally:
        keep_logs(Path(os.environ.get("FETCHBOX_TEST_LOGS") or place.logs), place.artifacts)
        if target := os.environ.get(TO):
            _say(deliver(place.artifacts, Path(target)))


def _test(given: argparse.Namespace) -> int:
    place = _place(os.environ)
    place.artifacts.mkdir(parents=True, exist_ok=True)
    for old in ("SENTINEL", "junit.xml", "report.html", "summary.md", "run.json"):
        (place.artifacts / old).unlink(missing_ok=True)
    for old in ("tests", "services"):
        shutil.rmtree(place.artifacts / old, ignore_errors=True)
    stack = _stack(os.environ)
    begun = time.monotonic()
    with stack.running() as running:
        up_s = time.monotonic() - begun
        _show_waterfall(running)
        smoke_s = smoke(running.addresses)
        _say(f"stack: {stack.name}, up in {up_s:.1f} s, first job through in {smoke_s:.1f} s")
        parts = _run_parts(running.addresses, place, _wishes(given))
        end_begun = time.monotonic()
    times = [("start", up_s), ("smoke", smoke_s), *((part.name, part.seconds) for part in parts)]
    times += [("stop", time.monotonic() - end_begun), ("in all", time.monotonic() - begun)]
    run = Run(
        stack=stack.name,
        results=junit.Results(cases=()),
        waterfall=running.waterfall,
        times=times,
        remarks=remarks(running.addresses, os.environ),
        facts=facts(running.addresses, datetime.now(UTC)),
    )
    return _conclude(run, parts, place)


def _report(given: argparse.Namespace) -> int:
    artifacts = given.artifacts or _place(os.environ).artifacts
    try:
        run = rebuild(artifacts)
    except OSError as error:
        _say(f"no results to report on: {error}")
        return NOTHING_RAN
    _say(f"report: {artifacts / 'report.html'}")
    for case in run.results.red:
        _say_blame(run, case)
    return PASSED


def _wishes(given: argparse.Namespace) -> Wishes:
    seed = given.shuffle
    if seed == 0:
        seed = random.randrange(1, 100_000)  # noqa: S311 - an order of tests is no secret
    if seed is not None:
        _say(f"shuffled; the same order again: SHUFFLE={seed}")
    return Wishes(workers=given.workers, seed=seed, pytest_arguments=given.pytest)


def _run_parts(addresses: Addresses, place: Place, wishes: Wishes) -> list[PartResult]:
    suite = Suite(
        root=ROOT,
        artifacts=place.artifacts,
        environment=addresses.environment(),
        wishes=wishes,
    )
    results = []
    for part in suite.parts():
        _say(f"\n{part.name}:")
        results.append(suite.run(part))
    return results


def _conclude(run: Run, parts: Sequence[PartResult], place: Place) -> int:
    """Merge the results, read them again, judge them, and say so."""
    junit.merge({part.name: part.junit for part in parts}, place.artifacts / "junit.xml")
    keep_run(run, place.artifacts)
    run = read_run(place.artifacts)
    write_reports(run, place.artifacts)
    for reason, count in skip_reasons(run.results):
        _say(f"skipped {count}: {reason}")
    for case in run.results.red:
        _say_blame(run, case)
    _say(", ".join(f"{name} {seconds:.1f} s" for name, seconds in run.times))
    _say(f"report: {place.artifacts / 'report.html'}")
    code = _judge(run.results, parts)
    if run.results.executed:
        (place.artifacts / "SENTINEL").write_text(f"{code} {run.results.closing_line}\n")
    _say(f"\n{run.results.closing_line}")
    return code


def _say_blame(run: Run, case: junit.Case) -> None:
    evidence = run.evidence_of(case)
    if evidence is not None:
        _say(f"{evidence.blame}\n    {case.name}")


def _judge(results: junit.Results, parts: Sequence[PartResult]) -> int:
    broken = [part for part in parts if part.exit_code not in PYTEST_ENDS]
    for part in broken:
        _say(f"pytest ended with {part.exit_code} in the {part.name} part")
    if results.red:
        return FAILED
    if broken or not results.executed:
        return NOTHING_RAN
    return FAILED if any(part.exit_code == FAILED for part in parts) else PASSED


def _show_waterfall(running: Running) -> None:
    whole_s = max((ready.ready_s for ready in running.waterfall), default=0.0) or 1.0
    for ready in running.waterfall:
        before = round(30 * ready.started_s / whole_s)
        bar = " " * before + "#" * max(round(30 * ready.ready_s / whole_s) - before, 1)
        _say(f"  {ready.name:<16} {bar:<31} {ready.ready_s:4.1f} s")


def _say(text: str) -> None:
    """Speak beside standard output, which belongs to `eval` and to pytest."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
