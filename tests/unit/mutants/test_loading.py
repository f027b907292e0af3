"""Every mutant still finds what it replaces, and one that does not is loud."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fetchbox.model import failure as product
from runner.mutants.catalogue import FOLDER, read_mutants
from tests.mutants import _loading as loading
from tests.mutants._loading import MutantError, applied, apply, mutant_names

ROOT = Path(__file__).parents[3]
NEEDED = 12


def mutants(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.mutants", *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def find(seam: str) -> Any:
    return loading._find("mutant", seam)


def test_every_mutant_can_be_applied_and_a_service_started_with_it() -> None:
    done = mutants("--check")

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == mutant_names()


def test_there_are_enough_of_them_and_the_runner_sees_the_same() -> None:
    found = read_mutants(ROOT)

    assert [each.name for each in found] == mutant_names()
    assert len(found) >= NEEDED
    assert all(each.bug.endswith((".", ":")) for each in found)


@pytest.mark.parametrize("mutant", read_mutants(ROOT), ids=lambda mutant: mutant.name)
def test_a_mutant_names_a_test_that_exists(mutant: Any) -> None:
    file, _, test = mutant.killed_by.partition("::")

    text = (ROOT / file).read_text(encoding="utf-8")
    assert f"def {test.partition('[')[0]}(" in text if test else "def test_" in text


def test_the_service_runs_with_the_bug() -> None:
    done = mutants("swallow_5xx", "--", "--version")

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_name_may_stand_in_a_file(tmp_path: Path) -> None:
    choice = tmp_path / "mutant"
    choice.write_text("none\n")
    assert mutants(f"@{choice}", "--", "--version").returncode == 0
    choice.write_text("no_such")
    done = mutants(f"@{choice}", "--", "--version")

    assert done.returncode == 2
    assert "no mutant 'no_such'" in done.stderr


def test_a_bug_is_taken_out_again() -> None:
    from fetchbox.worker import download  # noqa: PLC0415  # its module attribute is the seam

    with applied("swallow_5xx"):
        assert vars(download)["http_failure"](500) is None
    assert vars(download)["http_failure"] is product.http_failure


def test_nothing_is_applied_without_a_mutant() -> None:
    apply(loading.NONE)()


@pytest.mark.parametrize(
    ("seam", "said"),
    [
        ("fetchbox.no_such:a", "is gone"),
        ("fetchbox.model.failure:no_such", "is gone"),
        ("fetchbox.model.failure:NoSuch.method", "is gone"),
        ("fetchbox.model.failure:Failure", "is a type, not a function"),
    ],
    ids=["module", "function", "class", "no function"],
)
def test_a_seam_that_is_not_there_is_an_error(seam: str, said: str) -> None:
    with pytest.raises(MutantError, match=said):
        find(seam)


async def _other_kind(status: int, message: str = "") -> None:
    """Take the same parameters as http_failure."""


@pytest.mark.parametrize(
    ("replacement", "said"),
    [(lambda status: status, "takes"), (_other_kind, "another kind")],
    ids=["parameters", "coroutine"],
)
def test_a_replacement_that_does_not_fit_is_an_error(replacement: Any, said: str) -> None:
    with pytest.raises(MutantError, match=said):
        loading._insist_on_likeness("mutant", "x:y", product.http_failure, replacement)


def test_no_file_of_the_product_knows_of_mutants() -> None:
    sources = (ROOT / "fetchbox").rglob("*.py")
    assert not [path for path in sources if "mutant" in path.read_text(encoding="utf-8").lower()]
    assert FOLDER.startswith("tests/")
