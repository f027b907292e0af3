"""What make collected of the containers: log.txt, inspect.json and health.log per service.

The second stage of the evidence: only the engine knows of an exit or a kill for want of memory. The
verdicts are judged again with it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from runner.blame import ServiceFact
from runner.evidence import Evidence

FOLDER: Final = "services"
#: The zero of the engine's clock stands for "never".
_NEVER: Final = "0001-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a service, as `docker inspect` shows it."""

    service: str
    image: str
    status: str
    exit_code: int
    was_oom_killed: bool
    health: str
    restarts: int
    #: None while it runs.
    ended_ms: float | None
    #: The evidence files, relative to the artifacts.
    files: Sequence[str]


def read_containers(artifacts: Path) -> list[Container]:
    """Return all containers by service; what cannot be read is passed over."""
    found = []
    for path in sorted((artifacts / FOLDER).glob("*/inspect.json")):
        try:
            inspected = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue
        files = [str(each.relative_to(artifacts)) for each in sorted(path.parent.iterdir())]
        found += [_container(path.parent.name, each, files) for each in _listed(inspected)]
    return found


def _listed(inspected: Any) -> list[dict[str, Any]]:
    several = inspected if isinstance(inspected, list) else [inspected]
    return [each for each in several if isinstance(each, dict) and "State" in each]


def _container(service: str, inspected: dict[str, Any], files: Sequence[str]) -> Container:
    state = inspected["State"]
    ended = str(state.get("FinishedAt") or _NEVER)
    is_over = not state.get("Running", False) and not ended.startswith(_NEVER)
    return Container(
        service=service,
        image=str(inspected.get("Config", {}).get("Image", "")),
        status=str(state.get("Status", "")),
        exit_code=int(state.get("ExitCode") or 0),
        was_oom_killed=bool(state.get("OOMKilled")),
        health=str((state.get("Health") or {}).get("Status", "")),
        restarts=int(inspected.get("RestartCount") or 0),
        ended_ms=_epoch_ms(ended) if is_over else None,
        files=files,
    )


def _epoch_ms(stamp: str) -> float:
    """Read the engine's RFC 3339, whose fractions have nine digits."""
    return datetime.fromisoformat(f"{stamp[:19]}+00:00").timestamp() * 1000


def judge_again(evidence: Evidence, containers: Sequence[Container]) -> Evidence:
    """Add what the engine says of the time up to the failure; ends of the tear-down say nothing."""
    known = {fact.name: fact for fact in evidence.facts.services}
    for fact in _ends(containers, evidence.failed_ms):
        before = known.get(fact.name)
        known[fact.name] = replace(fact, by_test=before is not None and before.by_test)
    return replace(evidence, facts=replace(evidence.facts, services=tuple(known.values())))


def _ends(containers: Sequence[Container], before_ms: float) -> Iterator[ServiceFact]:
    for each in containers:
        if each.ended_ms is not None and each.ended_ms <= before_ms:
            yield ServiceFact(
                name=each.service,
                is_up=False,
                exit_code=each.exit_code,
                was_oom_killed=each.was_oom_killed,
                ago_s=round((before_ms - each.ended_ms) / 1000, 1),
            )
