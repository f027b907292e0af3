"""A planted fault of each class gets the right blame line, wherever one looks for it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner import junit
from runner.host import PROC
from runner.report import rebuild
from runner.run import Run
from tests.common.addresses import Addresses

ROOT = Path(__file__).parents[2]
WITHIN_S = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """What a run of a planted case left behind."""

    run: Run
    artifacts: Path
    output: str


def run_planted(case: str, addresses: Addresses, folder: Path) -> Planted:
    """Run one broken case in a pytest of its own, on this stack; a calm machine is pretended."""
    artifacts = folder / "artifacts"
    (folder / "proc").mkdir()
    artifacts.mkdir()
    variables = {
        "FETCHBOX_TEST_ARTIFACTS": str(artifacts),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        PROC: str(folder / "proc"),
    }
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    options = ["-q", "--tb=short", "-p", "asyncio", "-p", "timeout"]
    options += [f"--junitxml={artifacts / 'junit.xml'}", "-o", "junit_family=xunit1"]
    options += ["-o", f"cache_dir={folder / 'cache'}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"tests/planted/{case}"],
        cwd=ROOT,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )
    assert done.returncode == 1, f"{case} should fail on {addresses.stack}: {done.stdout}"
    return Planted(run=rebuild(artifacts), artifacts=artifacts, output=done.stdout)


@pytest.mark.parametrize(
    ("case", "line"),
    [
        (
            "test_product.py::test_everything_reported_is_stored",
            "PRODUCT: first divergence: stored: never seen for page-1 of 3",
        ),
        (
            "test_product.py::test_account_is_balanced",
            "PRODUCT: first divergence: stored: never seen for cover of 1",
        ),
        ("test_stub.py::test_cover_is_fetched", "TEST: no stub fits a request: GET /c/"),
        ("test_stub.py::test_tenant_is_shown", "TEST: the test raised KeyError: 'tennant'"),
        ("test_environment.py", "ENVIRONMENT: s3 is down (the connection was refused"),
        ("test_host.py", "HOST: tasks waited for the CPU 97 % of the time during the wait"),
    ],
    ids=["product", "product, by the account", "test, stub", "test, error", "environment", "host"],
)
def test_planted_fault_is_blamed_on_its_class(
    case: str, line: str, addresses: Addresses, tmp_path: Path
) -> None:
    planted = run_planted(case, addresses, tmp_path)

    (evidence,) = planted.run.evidence
    assert str(evidence.blame).startswith(line), planted.output
    (red,) = junit.read(planted.artifacts / "junit.xml").red
    assert red.properties["blame"] == str(evidence.blame)
    page = (planted.artifacts / "report.html").read_text()
    assert f"<span class=badge>{evidence.blame.culprit}</span>" in page
    assert (planted.artifacts / "tests" / evidence.folder / "timeline.html").exists()
    assert evidence.jobs, "the story of the job is missing"
