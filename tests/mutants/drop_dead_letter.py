"""A task that is given up is reported as failed, but leaves no dead letter."""

from dataclasses import replace
from typing import Any, Final

from fetchbox.broker.port import Message
from fetchbox.model.failure import Failure
from fetchbox.model.task import DownloadTask

SEAM: Final = "fetchbox.worker.record:Recorder.failed"
KILLED_BY: Final = "tests/integration/test_retries_and_dead_letters.py"


def mutate(original: Any) -> Any:
    def failed(
        self: Any, message: Message, task: DownloadTask, cause: Failure, attempts: int
    ) -> Any:
        return replace(original(self, message, task, cause, attempts), dead_letter=None)

    return failed
