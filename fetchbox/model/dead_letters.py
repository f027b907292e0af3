"""Dead letters as operators look for them, and what a replay reports."""

from collections.abc import Sequence
from dataclasses import dataclass

from fetchbox.model.failure import FailureCode
from fetchbox.model.job import Pointer
from fetchbox.model.outcome import DeadLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterEntry:
    """A dead letter and where it lies."""

    pointer: Pointer
    letter: DeadLetter

    @property
    def resource(self) -> tuple[str, str]:
        """Name the resource: job and resource id."""
        return self.letter.task.job_id, self.letter.task.resource_id

    @property
    def can_be_replayed(self) -> bool:
        """Whether the letter holds a task that a worker could carry out."""
        task = self.letter.task
        is_whole = bool(task.job_id and task.resource_id and task.url)
        return is_whole and self.letter.failure_code != FailureCode.SYSTEM_DECODE_ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDeadLetters:
    """Which dead letters; None matches all."""

    job_id: str | None = None
    code: str | None = None
    pointer: Pointer | None = None

    def matches(self, entry: DeadLetterEntry) -> bool:
        """Whether an entry is meant."""
        letter = entry.letter
        return (
            self.job_id in {None, letter.task.job_id}
            and self.code in {None, letter.failure_code}
            and self.pointer in {None, entry.pointer}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What a replay did with the matching letters: each is replayed or skipped.

    Attributes:
        skipped: letters of completed resources, letters that a newer one of the same resource
            stands for, and letters without a task to carry out.

    """

    replayed: int
    skipped: int
    entries: Sequence[DeadLetterEntry]
