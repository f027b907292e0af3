"""A finished run, as its files tell it: run.json, junit.xml, tests/*/verdict.json, services/*.

Because all of it is in files, the report can be made again when more evidence has come.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from runner import junit
from runner.containers import Container, judge_again, read_containers
from runner.evidence import Evidence, folder_of, read_all
from runner.junit import Case, Results, Verdict
from runner.stacks.port import Addresses, Readiness

RUN: Final = "run.json"
REMARK: Final = "FETCHBOX_TEST_REMARK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run."""

    stack: str
    results: Results
    waterfall: Sequence[Readiness] = ()
    #: Name and seconds of each step.
    times: Sequence[tuple[str, float]] = ()
    #: Lines that come first, such as what the stack could not have.
    remarks: Sequence[str] = ()
    #: What else to know of the stack: broker, object store, when.
    facts: Mapping[str, str] = field(default_factory=dict)
    evidence: Sequence[Evidence] = ()
    containers: Sequence[Container] = ()

    def evidence_of(self, case: Case) -> Evidence | None:
        """Return what was gathered of a red test."""
        folder = case.properties.get("evidence") or folder_of(case.name)
        return next((each for each in self.evidence if each.folder == folder), None)

    @property
    def is_green(self) -> bool:
        """Whether tests ran and none failed."""
        return bool(self.results.executed) and not self.results.red

    @property
    def first_line(self) -> str:
        """The verdict, the counts and the stack."""
        counts = self.results.closing_line
        verdict = "PASSED" if self.is_green else "FAILED"
        about = ", ".join(
            [f"{self.stack} stack", *(f"{name} {text}" for name, text in self.facts.items())]
        )
        return f"{verdict}: {counts} ({about})"


def facts(addresses: Addresses, ended: datetime) -> dict[str, str]:
    """Say what the stack is made of."""
    broker = "Iggy" if addresses.broker.startswith("iggy:") else "SQLite"
    return {"broker": broker, "ended": f"{ended:%Y-%m-%d %H:%M} UTC"}


def remarks(addresses: Addresses, environment: Mapping[str, str]) -> list[str]:
    """Say what the stack had to do without; FETCHBOX_TEST_REMARK adds a line."""
    lines = [environment[REMARK]] if environment.get(REMARK) else []
    if addresses.stack == "compose" and not addresses.broker.startswith("iggy:"):
        lines.append("Iggy is not part of this run: the broker is SQLite on a shared volume.")
    return lines


def keep_run(run: Run, artifacts: Path) -> None:
    """Write down what no other file says."""
    kept = {
        "stack": run.stack,
        "waterfall": [asdict(each) for each in run.waterfall],
        "times": list(run.times),
        "remarks": list(run.remarks),
        "facts": dict(run.facts),
    }
    (artifacts / RUN).write_text(json.dumps(kept, indent=1), encoding="utf-8")


def read_run(artifacts: Path) -> Run:
    """Read a run again, with all evidence there is by now; raises OSError without junit.xml."""
    path = artifacts / RUN
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    containers = read_containers(artifacts)
    evidence = [judge_again(each, containers) for each in read_all(artifacts)]
    return Run(
        stack=kept.get("stack", "unknown"),
        results=junit.read(artifacts / "junit.xml"),
        waterfall=[Readiness(**each) for each in kept.get("waterfall", ())],
        times=[(name, seconds) for name, seconds in kept.get("times", ())],
        remarks=kept.get("remarks", ()),
        facts=kept.get("facts", {}),
        evidence=evidence,
        containers=containers,
    )


def skip_reasons(results: Results) -> list[tuple[str, int]]:
    """Return why tests were skipped, and how many for each reason."""
    skipped = (case.message for case in results.cases if case.verdict is Verdict.SKIPPED)
    return Counter(skipped).most_common()
