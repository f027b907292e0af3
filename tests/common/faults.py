"""What tests do to the stack on purpose, so that a timeline shows it and blame does not take it."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that was done to a service."""

    at_ms: float
    service: str
    what: str


#: Of this process, oldest first; tests of one process run one after the other.
_noted: list[Fault] = []


def note_fault(service: str, what: str) -> None:
    """Write it down before doing it."""
    _noted.append(Fault(at_ms=time.time() * 1000, service=service, what=what))


def faults_since(began_ms: float) -> list[Fault]:
    """Return the faults of the running test."""
    return [fault for fault in _noted if fault.at_ms >= began_ms]
