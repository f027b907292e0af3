"""What the check after every integration test finds."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.common.conservation import secret_lines
from tests.common.logs import LogFolder


def test_a_credential_logged_during_the_test_is_found(tmp_path: Path) -> None:
    log = tmp_path / "worker-1.log"
    log.write_text('{"message": "before: s3-secret"}\n')
    folder = LogFolder(tmp_path)
    addresses = SimpleNamespace(secrets=("s3-secret", "fetch:box"))
    stack = SimpleNamespace(addresses=addresses, logs=folder)
    context: Any = SimpleNamespace(stack=stack, mark=folder.mark())
    assert secret_lines(context) == []

    with log.open("a") as stream:
        stream.write('{"message": "fine"}\n{"url": "http://fetch:box@proxy"}\n')
    (breach,) = secret_lines(context)
    assert "http://fetch:box@proxy" in breach
