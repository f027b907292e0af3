"""Documents point at things that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from fetchbox.api.catalogue import OPERATIONS
from fetchbox.cli.exits import Exit
from fetchbox.cli.main import app
from fetchbox.intake.decode import decode_manifest
from fetchbox.model.manifest import ManifestLimits

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())
    dead = [link for link in links if not (path.parent / link).exists()]
    assert dead == []


def test_every_document_is_in_the_table_of_contents() -> None:
    text = (ROOT / "docs" / "README.md").read_text()
    names = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert [name for name in sorted(names) if f"({name})" not in text] == []


def test_tests_named_in_the_architecture_exist() -> None:
    names = re.findall(r"\(`(test_\w+)`\)", (ROOT / "docs" / "architecture.md").read_text())
    tests = (ROOT / "tests" / "unit" / "test_five_sentences.py").read_text()
    assert len(names) == 5
    assert [name for name in names if f"def {name}(" not in tests] == []


def test_glossary_is_in_order() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text()
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", text, re.MULTILINE)
    assert words == sorted(set(words))


def test_sample_manifests_are_accepted() -> None:
    (posted,) = re.findall(r"-d '(.*?)'", (ROOT / "README.md").read_text(), re.DOTALL)
    text = (ROOT / "docs" / "requirements.md").read_text()
    (shown,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    gallery = (ROOT / "examples" / "manifests" / "gallery.json").read_text()
    for sample in (posted, shown, gallery):
        assert decode_manifest(sample.encode(), ManifestLimits()).resources


def test_exit_codes_are_in_the_readme() -> None:
    (line,) = re.findall(r"^Exit codes: (.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [int(part.split()[0]) for part in line.split(" · ")] == sorted(Exit)


def test_routes_in_the_requirements_are_those_of_the_api() -> None:
    text = (ROOT / "docs" / "requirements.md").read_text()
    shown = set(re.findall(r"^\| `(GET|POST) (/operators\S*)`", text, re.MULTILINE))
    there = {(each.method.upper(), each.path) for each in OPERATIONS if each.tag == "operators"}
    assert shown == there


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_are_shown_exist(path: Path) -> None:
    lines = re.findall(r"(?:^|`|\$ )fetchbox ([a-z -]+)", path.read_text(), re.MULTILINE)
    assert [line for line in lines if not _is_command(line.split())] == []


def _is_command(words: list[str]) -> bool:
    """Walk down groups; what follows a command is its own business."""
    command: Any = typer.main.get_command(app)
    for word in words:
        if not hasattr(command, "commands"):
            return True
        if (command := command.commands.get(word)) is None:
            return False
    return True
