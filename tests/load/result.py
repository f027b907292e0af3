"""load.json: all numbers of a run, for programs. Its fields are described in docs/load.md."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tests.load.course import Course
from tests.load.plan import Workload
from tests.load.upstream import Ceiling
from tests.load.verdict import Account, Evidence, Judgement, Limits, judge, needed_share

SCHEMA: Final = "fetchbox-load/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run, judged."""

    #: RFC 3339, when the first manifest was due.
    begun: str
    stack: str
    broker: str
    upstream: str
    workload: Workload
    limits: Limits
    course: Course
    ceiling: Ceiling
    account: Account
    machine: Mapping[str, str]

    @property
    def judgement(self) -> Judgement:
        """The verdict."""
        evidence = Evidence(
            workload=self.workload,
            tally=self.course.tally,
            samples=self.course.sending,
            ceiling=self.ceiling,
            account=self.account,
        )
        return judge(evidence, self.limits)

    def to_json(self) -> dict[str, Any]:
        """Return the document."""
        judgement, tally = self.judgement, self.course.tally
        needed, given = needed_share(self.workload, self.ceiling)
        return {
            "schema": SCHEMA,
            "verdict": str(judgement.verdict),
            "reasons": {
                "breaches": list(judgement.breaches),
                "invalid": list(judgement.invalid),
                "missed": list(judgement.missed),
            },
            "begun": self.begun,
            "stack": self.stack,
            "broker": self.broker,
            "machine": dict(self.machine),
            "workload": asdict(self.workload),
            "limits": {"slo": asdict(self.limits.slo), "valid": asdict(self.limits.valid)},
            "manifests": {
                "planned": tally.planned,
                "sent": tally.sent,
                "late": tally.late,
                "accepted": len(tally.jobs),
                "problems": dict(tally.problems),
            },
            "resources": {
                "accepted": tally.accepted_resources,
                "stored": tally.stored,
                "failed": tally.failed,
                "retries": tally.retries,
                "repeats": tally.repeats,
            },
            "account": asdict(self.account),
            "upstream": {
                "name": self.upstream,
                "ceiling_requests_per_s": round(given, 1),
                "ceiling_bytes_per_s": round(self.ceiling.bytes_per_s),
                "planned_peak_per_s": round(needed, 1),
            },
            "seconds": {
                "sending": round(self.course.sent_s, 3),
                "until_drained": round(self.course.ended_s, 3),
            },
            "latencies": {name: made.summary() for name, made in tally.latencies.all().items()},
            "generator": {
                "lateness": tally.lateness.summary(),
                "loop_lag": tally.loop_lag.summary(),
            },
            "histograms": {name: made.to_json() for name, made in tally.latencies.all().items()},
            "samples": [sample.to_json() for sample in self.course.samples],
            "seconds_of_accept": {
                str(second): made.summary() for second, made in sorted(tally.by_second.items())
            },
        }

    def write(self, folder: Path) -> None:
        """Write load.json, and each latency as a file for HdrHistogram's tools."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_json(), indent=1) + "\n"
        (folder / "load.json").write_text(text, encoding="utf-8")
        for name, made in self.course.tally.latencies.all().items():
            (folder / f"{name}.hgrm").write_text(made.to_hgrm(), encoding="utf-8")


def machine(remarks: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """Tell what the figures were measured on."""
    return {
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        **dict(remarks),
    }
