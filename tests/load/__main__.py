"""`make load`, `scripts/load_test.py`, `python -m tests.load`: a load, its files, a verdict."""

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from rich.console import Console

from runner.stacks.compose import ComposeStack
from runner.stacks.embedded import EmbeddedStack
from runner.stacks.given import GivenStack
from runner.stacks.port import Place, Stack, StackError
from tests.common.addresses import read_addresses
from tests.load.arguments import ROOT, Wishes, read_wishes
from tests.load.capacity import Step, best_of, conclusion, limit_of, search, step_of, to_json
from tests.load.drain import Outage, run_outage
from tests.load.live import LiveView
from tests.load.measuring import Measuring, NotMeasuredError, upstream_for
from tests.load.page import page
from tests.load.plan import Stage, WrongPlanError
from tests.load.precise_loop import run_precisely
from tests.load.result import Result
from tests.load.verdict import Verdict, WrongLimitsError
from tests.load.words import reading

USAGE: Final = 2
NOT_MEASURED: Final = 4
INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a load and return the exit code of its verdict."""
    signal.signal(signal.SIGTERM, _interrupt)  # the stack has to go along
    try:
        return _run(read_wishes(arguments, os.environ), Console())
    except (WrongPlanError, WrongLimitsError) as error:
        return _refuse(f"{error}", USAGE)
    except (StackError, NotMeasuredError) as error:
        return _refuse(f"nothing was measured: {error}", NOT_MEASURED)
    except KeyboardInterrupt:
        return _refuse("interrupted; what was started has been ended", INTERRUPTED)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _refuse(text: str, code: int) -> int:
    print(f"load: {text}", file=sys.stderr)
    return code


def _stack(environment: Mapping[str, str], wishes: Wishes) -> Stack:
    """Return the stack that the environment names, or one of our own."""
    if environment.get("FETCHBOX_TEST_STACK") == "compose":
        return ComposeStack(environment=environment)
    if environment.get("FETCHBOX_TEST_API"):
        return GivenStack(environment=environment)
    place = Place(root=ROOT, artifacts=wishes.out.resolve(), cache=ROOT / ".cache")
    return EmbeddedStack(place=place, environment=environment)


def _run(wishes: Wishes, console: Console) -> int:
    stack = _stack(os.environ, wishes)
    with stack.running() as running:
        addresses = read_addresses(running.addresses.environment())
        console.print(f"stack: {stack.name}, broker: {addresses.broker.partition(':')[0]}")
        with upstream_for(wishes, addresses) as upstream:
            measuring = Measuring(
                wishes=wishes,
                addresses=addresses,
                upstream=upstream,
                view=LiveView(console=console, workload=wishes.workload),
                pids=running.pids,
            )
            if wishes.is_capacity:
                steps = run_precisely(_search(measuring, console))
                return _conclude_capacity(steps, wishes, console)
            if wishes.is_outage:
                outage = run_precisely(run_outage(measuring))
                return _conclude_outage(outage, wishes, console)
            result = run_precisely(measuring.measure())
    return _conclude(result, wishes, console)


def _conclude_outage(outage: Outage, wishes: Wishes, console: Console) -> int:
    code = _conclude(outage.result, wishes, console)
    file = wishes.out / "drain.json"
    file.write_text(json.dumps(outage.drain.to_json(), indent=1) + "\n", encoding="utf-8")
    console.print(f"{outage.drain}", highlight=False, soft_wrap=True)
    return code


async def _search(measuring: Measuring, console: Console) -> list[Step]:
    workload = measuring.wishes.workload
    workers = len(measuring.addresses.worker_metrics)

    async with measuring.prepared() as run:

        async def attempt(rate: float) -> Step:
            stage = Stage(seconds=workload.seconds, begin=rate, end=rate)
            step = step_of(rate, await run(replace(workload, stages=[stage])), workers)
            console.print(
                f"{rate:8.1f} manifests/s: {step.why or 'sustained'}; {step.ended_per_s:.0f}"
                f" resources/s, accept p99 {step.accept_p99_ms:.0f} ms",
                highlight=False,
                soft_wrap=True,
            )
            return step

        return await search(workload.peak_rate, attempt)


def _conclude_capacity(steps: Sequence[Step], wishes: Wishes, console: Console) -> int:
    wishes.out.mkdir(parents=True, exist_ok=True)
    file = wishes.out / "capacity.json"
    file.write_text(json.dumps({"steps": to_json(steps)}, indent=1) + "\n", encoding="utf-8")
    lines = conclusion(steps, wishes.workload.resources)
    console.print("", *lines, f"steps: {file}", sep="\n", highlight=False, soft_wrap=True)
    limit = limit_of(steps)
    if limit is not None and limit.is_invalid:
        return Verdict.INVALID.exit_code
    return Verdict.PASS.exit_code if best_of(steps) else Verdict.FAIL.exit_code


def _conclude(result: Result, wishes: Wishes, console: Console) -> int:
    """Leave the files, say what they say."""
    document = result.to_json()
    result.write(wishes.out)
    report = wishes.out / "report.html"
    report.write_text(page(document), encoding="utf-8")
    console.print("", *reading(document), sep="\n", highlight=False, soft_wrap=True)
    console.print(f"\nreport: {report}", highlight=False, soft_wrap=True)
    verdict = result.judgement.verdict
    console.print(f"{verdict}", style={"PASS": "green", "FAIL": "red"}.get(verdict, "yellow"))
    return verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
