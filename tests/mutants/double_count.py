"""An outcome that is reported twice, as after a redelivery, is counted twice."""

from collections.abc import Sequence
from typing import Any, Final

from fetchbox.model.outcome import StatusEvent

SEAM: Final = "fetchbox.ledger.applying:JobChange.recall"
KILLED_BY: Final = "tests/integration/test_direct_producer.py"


def mutate(_: Any) -> Any:
    def recall(self: Any, connection: Any, events: Sequence[StatusEvent]) -> None:
        """Remember nothing of what was counted."""

    return recall
