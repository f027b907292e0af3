"""Documents point at things that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())
    dead = [link for link in links if not (path.parent / link).exists()]
    assert dead == []


def test_every_document_is_in_the_table_of_contents() -> None:
    text = (ROOT / "docs" / "README.md").read_text()
    paths = {str(path.relative_to(ROOT / "docs")) for path in DOCS[2:]} - {"README.md"}
    assert [path for path in sorted(paths) if f"({path})" not in text] == []


def test_tests_named_in_the_architecture_exist() -> None:
    names = re.findall(r"\(`(test_\w+)`\)", (ROOT / "docs" / "architecture.md").read_text())
    tests = (ROOT / "tests" / "unit" / "test_five_sentences.py").read_text()
    assert len(names) == 5
    assert [name for name in names if f"def {name}(" not in tests] == []


def test_glossary_is_in_order() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text()
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", text, re.MULTILINE)
    assert words == sorted(set(words))
