"""What is kept of one red test: artifacts/tests/<id>/ and the verdict in it.

Gathering runs its looks side by side under one deadline and never raises: what cannot be read is
written down as a gap. Knows files and time; what to look at is the caller's.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final

from runner.blame import Blame, Culprit, Facts, ServiceFact, blame
from runner.timeline import Hop, Sighting, Timeline

#: All looks together may take this long; gathering must not slow a red run down.
BUDGET_S: Final = 4.0
FOLDER: Final = "tests"
VERDICT: Final = "verdict.json"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything the report shows of one red test."""

    #: As pytest names it: file::function[parameters].
    test: str
    phase: str
    began_ms: float
    failed_ms: float
    facts: Facts
    host: Mapping[str, str] = field(default_factory=dict)
    jobs: Sequence[Timeline] = ()
    #: What could not be looked at, and why.
    gaps: Sequence[str] = ()

    @property
    def blame(self) -> Blame:
        """Whose fault it is."""
        return blame(self.facts)

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return folder_of(self.test)


def folder_of(test: str) -> str:
    """Name a test so that every file system takes it: test_file.test_function-parameters."""
    short = re.sub(r"^.*/|\.py(?=::)", "", test.partition("[")[0]) + test.partition("[")[1]
    short += test.partition("[")[2]
    return re.sub(r"[^A-Za-z0-9_.]+", "-", short.replace("::", ".")).strip("-")[:120]


@dataclass(frozen=True, slots=True)
class Unread:
    """A look that brought nothing, and why."""

    reason: str


def look_at_all(
    looks: Mapping[str, Callable[[], Any]], budget_s: float = BUDGET_S
) -> dict[str, Any]:
    """Carry the looks out side by side; an answer that is no `Unread` came in time."""
    answers: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    found: dict[str, Any] = {name: Unread(f"no answer within {budget_s:g} s") for name in looks}

    def carry_out(name: str, look: Callable[[], Any]) -> None:
        try:
            answers.put((name, look()))
        except Exception as error:  # noqa: BLE001  # evidence must not hide what it is of
            answers.put((name, Unread(f"{type(error).__name__}: {str(error)[:300]}")))

    for name, look in looks.items():
        Thread(target=carry_out, args=(name, look), daemon=True).start()
    deadline = time.monotonic() + budget_s
    for _ in looks:
        try:
            name, answer = answers.get(timeout=max(deadline - time.monotonic(), 0.001))
        except Empty:
            break
        found[name] = answer
    return found


# Writing.


def write(evidence: Evidence, artifacts: Path, files: Mapping[str, str | Json | list[Any]]) -> Path:
    """Write the verdict, the timelines and the files; return the folder."""
    folder = artifacts / FOLDER / evidence.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, indent=1, default=repr)
        target.write_text(text, encoding="utf-8")
    texts = (f"job {job.job_id}\n" + "\n".join(job.lines()) for job in evidence.jobs)
    (folder / "timeline.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    write_verdict(evidence, folder)
    return folder


def write_verdict(evidence: Evidence, folder: Path) -> None:
    """Write verdict.json, which alone the report needs."""
    verdict = {
        "test": evidence.test,
        "blame": {"culprit": evidence.blame.culprit, "fact": evidence.blame.fact},
        "assertion": evidence.facts.error_text,
        "phase": evidence.phase,
        "began_ms": evidence.began_ms,
        "failed_ms": evidence.failed_ms,
        "facts": asdict(evidence.facts),
        "host": dict(evidence.host),
        "jobs": [_job_json(job) for job in evidence.jobs],
        "gaps": list(evidence.gaps),
    }
    (folder / VERDICT).write_text(json.dumps(verdict, indent=1), encoding="utf-8")


def _job_json(job: Timeline) -> Json:
    return {
        "job_id": job.job_id,
        "divergence": job.divergence,
        "resources": sorted(job.resources),
        "failed": sorted(job.failed),
        "unobserved": sorted(job.unobserved),
        "exempt": {hop: sorted(names) for hop, names in job.exempt.items()},
        "sightings": [asdict(sighting) for sighting in job.sightings],
    }


# Reading.


def read_all(artifacts: Path) -> list[Evidence]:
    """Return the evidence of every red test; a verdict that cannot be read is passed over."""
    found = []
    for path in sorted((artifacts / FOLDER).glob(f"*/{VERDICT}")):
        try:
            found.append(_evidence(json.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _evidence(verdict: Json) -> Evidence:
    facts = verdict["facts"]
    services = tuple(ServiceFact(**service) for service in facts.pop("services"))
    return Evidence(
        test=verdict["test"],
        phase=verdict["phase"],
        began_ms=verdict["began_ms"],
        failed_ms=verdict["failed_ms"],
        facts=Facts(services=services, **facts),
        host=verdict["host"],
        jobs=[_job(job) for job in verdict["jobs"]],
        gaps=verdict["gaps"],
    )


def _job(job: Json) -> Timeline:
    return Timeline(
        job_id=job["job_id"],
        sightings=[
            Sighting(**{**each, "hop": Hop(each["hop"]) if each["hop"] else None})
            for each in job["sightings"]
        ],
        resources=frozenset(job["resources"]),
        failed=frozenset(job["failed"]),
        unobserved=frozenset(map(Hop, job["unobserved"])),
        exempt={Hop(hop): frozenset(names) for hop, names in job["exempt"].items()},
    )


def verdict_line(evidence: Evidence) -> str:
    """Return the one line for JUnit and the terminal."""
    return str(evidence.blame)


def culprits(found: Sequence[Evidence]) -> dict[Culprit, int]:
    """Count the verdicts."""
    return {each: sum(1 for one in found if one.blame.culprit is each) for each in Culprit}
