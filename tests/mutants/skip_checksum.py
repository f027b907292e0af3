"""A checksum hint is not compared with what arrived."""

from dataclasses import replace
from typing import Any, Final

from fetchbox.model.task import DownloadTask
from fetchbox.worker.target import Errand

SEAM: Final = "fetchbox.worker.target:Router.route"
KILLED_BY: Final = "tests/integration/test_payload_ladder.py::test_a_full_checksum_hint_is_verified"


def mutate(original: Any) -> Any:
    def route(self: Any, task: DownloadTask) -> Errand:
        errand: Errand = original(self, task)
        return replace(errand, expected_sha256=None)

    return route
