"""The catalogue reads mutants without importing them; the matrix says who survived."""

import json
from pathlib import Path

import pytest

from runner.mutants.catalogue import Mutant, choose, read_mutants, service_of
from runner.mutants.matrix import Fate, Matrix, Verdict
from runner.stacks.port import StackError

TEXT = '''"""It does wrong.

More of it.
"""

raise RuntimeError("imported")
SEAM: Final = "a.b:c"
KILLED_BY: Final = "tests/integration/test_x.py"
'''


def mutant(name: str = "one") -> Mutant:
    return Mutant(name=name, bug="It | does wrong.", seam="a.b:c", killed_by="tests/x.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tests/mutants"
    made.mkdir(parents=True)
    return made


def test_a_mutant_is_read_and_not_imported(folder: Path, tmp_path: Path) -> None:
    (folder / "one.py").write_text(TEXT)
    (folder / "_loading.py").write_text("no mutant")

    (found,) = read_mutants(tmp_path)
    assert found == Mutant(
        name="one", bug="It does wrong.", seam="a.b:c", killed_by="tests/integration/test_x.py"
    )


def test_a_mutant_that_names_no_killer_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "one.py").write_text(TEXT.replace("KILLED_BY", "OTHER"))

    with pytest.raises(StackError, match="no constant 'KILLED_BY'"):
        read_mutants(tmp_path)


def test_mutants_are_chosen_by_name() -> None:
    both = [mutant("one"), mutant("two")]

    assert choose(both, []) == both
    assert choose(both, ["two"]) == [both[1]]
    with pytest.raises(StackError, match=r"no mutant three.*one, two"):
        choose(both, ["three"])


def test_the_service_is_started_through_the_mutant(tmp_path: Path) -> None:
    variables = service_of("one", tmp_path)

    assert variables["FETCHBOX_COMMAND"].endswith(" -m tests.mutants one --")
    assert variables["PYTHONPATH"] == str(tmp_path)


@pytest.mark.parametrize("fate", [Fate.SURVIVED, Fate.BROKEN, Fate.NOT_RUN])
def test_only_killed_is_good_enough(fate: Fate, tmp_path: Path) -> None:
    verdicts = [
        Verdict(mutant=mutant(), fate=Fate.KILLED, seconds=2.4, killer="test_x::a", blame="b"),
        Verdict(mutant=mutant("two"), fate=fate),
    ]
    matrix = Matrix(verdicts=verdicts, control="9 passed", seconds=12.3)
    matrix.write(tmp_path)

    assert not matrix.are_all_killed
    assert matrix.closing_line == (
        "1 of 2 mutants killed in 12 s (control: 9 passed); not killed: two"
    )
    rows = json.loads((tmp_path / "mutants.json").read_text())["mutants"]
    assert [row["fate"] for row in rows] == ["killed", fate]
    table = (tmp_path / "mutants.md").read_text()
    assert "| `one` | It \\| does wrong. | test_x::a | 2 | b |" in table
    assert f"| `two` | It \\| does wrong. | {fate.upper()} |" in table


def test_all_killed() -> None:
    verdicts = [Verdict(mutant=mutant(), fate=Fate.KILLED)]
    matrix = Matrix(verdicts=verdicts, control="", seconds=1)

    assert matrix.are_all_killed
    assert matrix.closing_line == "1 of 1 mutants killed in 1 s (no control run)"
