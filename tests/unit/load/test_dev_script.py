"""compose/dev.sh with a docker that is made up: what it runs, and what it leaves behind."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runner.waiting import wait_until

ROOT = Path(__file__).parents[3]
#: Says what it is asked; a load takes until the engine has been looked at, and ends with $CODE.
DOCKER = """#!/bin/sh
echo "$FETCHBOX_SOURCE|$*" >>"$SAID"
case "$*" in
  "ps -q"*) echo 0123456789ab ;;
  stats*) echo $$ >>"$SAID.pids"; echo 'p-minio-1 1.00% 1MiB / 1GiB'; exec sleep 0.2 ;;
  *"-m tests.load.diff"*) ;;
  *" -m tests.load"*) while ! [ -s "$SAID.pids" ]; do :; done; exit "$CODE" ;;
esac
"""


class Script:
    """A copy of the script in a folder of its own, with a stack that is up."""

    def __init__(self, folder: Path) -> None:
        (folder / "compose").mkdir()
        for name in ("dev.sh", "engine.sh", ".env"):
            shutil.copy(ROOT / "compose" / name, folder / "compose" / name)
        (folder / "artifacts").mkdir()
        (folder / "fetchbox").mkdir()
        (folder / "artifacts" / ".stack").write_text('COMPOSE_PROJECT_NAME=p files="-f x"\n')
        (folder / "bin").mkdir()
        for name, text in (("docker", DOCKER), ("git", "#!/bin/sh\n")):
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        self.folder = folder
        self._said = folder / "said"

    def begin(self, *words: str, code: int = 0, **variables: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            ["sh", str(self.folder / "compose" / "dev.sh"), *words],
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "SAID": str(self._said),
                "CODE": str(code),
                **variables,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self, *words: str, code: int = 0, **variables: str) -> int:
        with self.begin(*words, code=code, **variables) as process:
            return process.wait(timeout=30)

    def said(self, part: str) -> list[str]:
        told = self._said.read_text() if self._said.exists() else ""
        return [line for line in told.splitlines() if part in line]

    def loads(self) -> list[str]:
        return [line for line in self.said(" -m tests.load") if "tests.load.diff" not in line]

    def watchers(self) -> list[int]:
        """Return the looks at the engine that go on."""
        pids = [int(line) for line in Path(f"{self._said}.pids").read_text().split()]
        return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


def test_a_load_has_its_own_exit_code_and_leaves_nobody_watching(script: Script) -> None:
    assert script.run("load", "--capacity", code=3, RATE="7") == 3
    (load,) = script.loads()
    assert load.endswith("runner -m tests.load --capacity")
    assert "FETCHBOX_TEST_ENGINE_STATS=/artifacts/load/engine.txt" in load
    wait_until(lambda: script.watchers() == [], 5, "the looks at the engine to end")
    count = len(script.said("|stats"))
    wait_until(lambda: script.watchers() == [], 5, "nobody to begin another look")
    assert len(script.said("|stats")) == count


def test_versions_are_interleaved_and_the_code_of_this_folder_comes_back(script: Script) -> None:
    assert script.run("load-diff", BASE="main~1", PAIRS="2") == 0
    base, ours = (f"../.cache/load-{version}/fetchbox" for version in ("base", "ours"))
    put_on = [line.partition("|")[0] for line in script.said(" up --detach ")]
    assert put_on == [base, ours, ours, base, ""]
    places = [line.partition(" -e OUT=")[2].split()[0] for line in script.loads()]
    versions = ("00-base", "01-ours", "02-ours", "03-base")
    assert places == [f"/artifacts/load/slices/{version}" for version in versions]
    assert script.said("-m tests.load.diff --read /artifacts/load/slices")


def test_a_slice_that_cannot_be_measured_ends_the_comparison(script: Script) -> None:
    script.run("load-diff", code=4, BASE="main~1", PAIRS="2")
    assert len(script.loads()) == 1
    assert [line.partition("|")[0] for line in script.said(" up --detach ")][-1] == ""


def test_an_interrupted_comparison_leaves_the_code_of_this_folder(script: Script) -> None:
    with script.begin("load-diff", BASE="main~1", PAIRS="99") as process:
        wait_until(lambda: bool(script.loads()), 10, "the first slice")
        process.terminate()
        assert process.wait(timeout=30) == 130
    assert [line.partition("|")[0] for line in script.said(" up --detach ")][-1] == ""
    assert not script.said("-m tests.load.diff --read")


def test_a_comparison_needs_a_version(script: Script) -> None:
    assert script.run("load-diff") == 2


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("load", "load"),
        ("load-capacity", "load --capacity"),
        ("load-drain", "load --outage"),
        ("load-diff", "load-diff"),
    ],
)
def test_each_way_to_load_goes_to_the_compose_stack_too(target: str, words: str) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", target, "STACK=compose"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().endswith(f"sh compose/dev.sh {words}")
