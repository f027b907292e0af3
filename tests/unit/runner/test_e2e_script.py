"""compose/e2e.sh where there is no engine: it hands over to make."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_embedded_stack_is_given_its_arguments_once(tmp_path: Path) -> None:
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "$*|${E2E_ARGS-none}"\n')
    make.chmod(0o755)
    done = subprocess.run(
        ["sh", str(ROOT / "compose" / "e2e.sh")],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "STACK": "embedded",
            "E2E_ARGS": "--workers 4",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert done.stdout.splitlines()[-1] == "--no-print-directory e2e-embedded|none"
