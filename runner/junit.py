"""Reads the JUnit files of the parts of a run and writes the merged one."""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Verdict(StrEnum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test."""

    part: str
    name: str
    seconds: float
    verdict: Verdict
    #: The one line, and the whole text of a failure.
    message: str = ""
    text: str = ""
    #: Captured output and log.
    output: str = ""
    #: What the test's fixtures noted, such as its blame and the folder of its evidence.
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All tests of a run."""

    cases: Sequence[Case]
    counts: Mapping[Verdict, int] = field(init=False)

    def __post_init__(self) -> None:
        """Count the verdicts."""
        object.__setattr__(self, "counts", Counter(case.verdict for case in self.cases))

    @property
    def executed(self) -> int:
        """Tests that ran: skipped ones did not."""
        return len(self.cases) - self.counts[Verdict.SKIPPED]

    @property
    def red(self) -> list[Case]:
        """Tests that failed, or whose fixtures did."""
        return [case for case in self.cases if case.verdict in {Verdict.FAILED, Verdict.ERROR}]

    @property
    def closing_line(self) -> str:
        """Return the line that says it all."""
        passed, skipped = self.counts[Verdict.PASSED], self.counts[Verdict.SKIPPED]
        return f"{passed} passed, {len(self.red)} failed, {skipped} skipped"


def merge(parts: Mapping[str, Path], target: Path) -> None:
    """Write one file with a suite per part; a part that wrote none is left out."""
    merged = ET.Element("testsuites", name="fetchbox")
    for part, path in parts.items():
        if path.exists():
            for suite in ET.parse(path).getroot().iter("testsuite"):  # noqa: S314 - pytest's own
                suite.set("name", part)
                merged.append(suite)
    ET.ElementTree(merged).write(target, encoding="utf-8", xml_declaration=True)


def read(path: Path) -> Results:
    """Read a merged file."""
    root = ET.parse(path).getroot()  # noqa: S314 - merge wrote it
    return Results(
        cases=[
            _case(suite.get("name", ""), element)
            for suite in root.iter("testsuite")
            for element in suite.iter("testcase")
        ]
    )


def set_blame(path: Path, lines: Mapping[str, str]) -> None:
    """Put newer verdicts into a file, by the folder of a test's evidence."""
    tree = ET.parse(path)  # noqa: S314 - merge wrote it
    for properties in tree.getroot().iter("properties"):
        found = {each.get("name"): each for each in properties}
        folder, blame = found.get("evidence"), found.get("blame")
        if folder is not None and blame is not None:
            blame.set("value", lines.get(folder.get("value", ""), blame.get("value", "")))
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _case(part: str, element: ET.Element) -> Case:
    verdict, reason = Verdict.PASSED, None
    for tag, wanted in (
        ("skipped", Verdict.SKIPPED),
        ("failure", Verdict.FAILED),
        ("error", Verdict.ERROR),
    ):
        if (found := element.find(tag)) is not None:
            verdict, reason = wanted, found
    output = [part.text or "" for part in element if part.tag in {"system-out", "system-err"}]
    return Case(
        part=part,
        name=f"{element.get('classname', '')}::{element.get('name', '')}",
        seconds=float(element.get("time", "0")),
        verdict=verdict,
        message="" if reason is None else reason.get("message", ""),
        text="" if reason is None else reason.text or "",
        output="\n".join(output),
        properties={
            each.get("name", ""): each.get("value", "") for each in element.iter("property")
        },
    )
